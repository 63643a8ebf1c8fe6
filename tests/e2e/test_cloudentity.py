"""The way of Cloudentity's howto, against the decision service as the control plane: create a gateway, deploy the
stack, see the APIs, bind them, assign policies, and hand the authentication context over."""

import io
import json
import subprocess
import zipfile

import pytest

import templates
from conftest import eventually
from control_plane import ControlPlane
from localaws import deployment, paths
from localaws.ministack import REGION
from localaws.processes import plain_environment

BACKEND = """import json
def handler(event, context):
    return {'statusCode': 200, 'body': json.dumps(event['requestContext'].get('authorizer') or {})}
"""
ROLE = "arn:aws:iam::000000000000:role/backend"
SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}, "resources": []}


@pytest.fixture(scope="module")
def plane(system, tmp_path_factory):
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"), system.authorization_server.issuer)
    yield plane
    plane.stop()


@pytest.fixture(scope="module")
def api(system):
    """GET /planets and GET /moons, deployed, with a backend that shows what the authorizer handed over."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("backend.py", BACKEND)
    backend = system.aws.client("lambda").create_function(
        FunctionName="howto-backend", Runtime="python3.13", Handler="backend.handler", Role=ROLE,
        Code={"ZipFile": archive.getvalue()},
    )["FunctionArn"]
    rest = system.aws.client("apigateway")
    made = rest.create_rest_api(name="Howto")["id"]
    root = rest.get_resources(restApiId=made)["items"][0]["id"]
    for part in ("planets", "moons"):
        resource = rest.create_resource(restApiId=made, parentId=root, pathPart=part)["id"]
        method = {"restApiId": made, "resourceId": resource, "httpMethod": "GET"}
        rest.put_method(**method, authorizationType="NONE")
        uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{backend}/invocations"
        rest.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    rest.create_deployment(restApiId=made, stageName="prod")
    return made


def test_the_howto(system, plane, api, callers, tmp_path):
    # Create a gateway. Its APIs are bound as they are found; they have no policy unless they get one.
    gateway = plane.post(plane.admin("/gateways"), {
        "server_id": plane.server, "name": "AWS", "type": "aws",
        "create_and_bind_services_automatically": True, "default_policy_id": "",
    })

    # Deploy the stack.
    given = system.authorizer_parameters()
    outputs = deployment.deploy(system.aws, "howto", templates.CLOUDENTITY, {
        "CodeBucket": given["CodeBucket"], "CodeKey": given["AuthorizerCodeKey"], "Architecture": given["Architecture"],
        "ClientId": gateway["client"]["client_id"], "ClientSecret": gateway["client"]["client_secret"],
        "IssuerUrl": gateway["issuer_url"], "ReloadInterval": "1s", "InjectContext": "true", "DiscoverApis": "true",
    })
    function = outputs["FunctionName"]
    functions = system.aws.client("lambda")
    settings = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    endpoint = f"http://127.0.0.1:{system.aws.port}"
    functions.update_function_configuration(
        FunctionName=function, Environment={"Variables": settings | {"AWS_ENDPOINT_URL": endpoint}}
    )

    # The schedule finds the APIs and tells the control plane.
    def invoke():
        answer = functions.invoke(FunctionName=function, Payload=json.dumps(SCHEDULED).encode())
        assert "FunctionError" not in answer, answer["Payload"].read()

    def group():
        groups = plane.get(plane.admin(f"/gateways/{gateway['id']}/groups"))["groups"]
        return next((one for one in groups if one["metadata"]["aws"]["api_id"] == api), None)

    invoke()
    found = group()
    assert found and found["service_id"], f"{found}\n{system.aws.log_lines(outputs['LogGroupName'])}"
    assert sorted(one["path"] for one in found["apis"]) == ["/moons", "/planets"]

    # Bind the methods to the authorizer, and deploy the stage.
    subprocess.run(
        [paths.PORTCULLIS, "aws", "bind", "--api", api, "--function", function, "--deploy", "--yes"],
        cwd=tmp_path, check=True, capture_output=True,
        env=plain_environment(
            AWS_ENDPOINT_URL=endpoint, AWS_REGION=REGION, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test"
        ),
    )
    stage = system.aws.api(api, "prod")
    silver, bronze = callers["silver"].headers, callers["bronze"].headers

    # No policy: 200, also without a token.
    eventually(lambda: stage.call("/planets").status == 200)

    def assign(path, policy):
        apis = plane.get(plane.admin(f"/services/{found['service_id']}/apis"))["apis"]
        (one,) = [one for one in apis if one["path"] == path]
        plane.ask("PUT", plane.admin(f"/apis/{one['id']}"), {"policy_id": policy})

    # Assign Block: denied, within the interval and one request, and without a deployment of the API.
    policies = plane.get(plane.admin("/policies"))["policies"]
    (block,) = [one["id"] for one in policies if one["policy_name"].startswith("Block")]
    assign("/planets", block)
    eventually(lambda: stage.call("/planets", silver).status == 403)
    assert stage.call("/moons").status == 200

    # Assign a policy of one's own: who has the scope gets in, and the backend learns who it is.
    assign("/planets", plane.silver_policy())
    eventually(lambda: stage.call("/planets", silver).status == 200)
    assert stage.call("/planets", bronze).status == 403
    assert stage.call("/planets").status == 403
    told = stage.call("/planets", silver).json()
    assert told["principalId"] and told["authnCtx"], told

    # What was decided shows at the control plane.
    def decided():
        listed = plane.get("/v1/environments/default/decisions?outcome=deny")["_embedded"]["decisions"]
        return any(one.get("path") == "/planets" or one.get("operation") == "GET /planets" for one in listed)

    invoke()
    eventually(decided)

    # While the control plane is away, the last configuration goes on.
    plane.process.kill()
    invoke()
    assert stage.call("/planets", silver).status == 200
    assert stage.call("/planets", bronze).status == 403
