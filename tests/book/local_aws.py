"""Functions and APIs in the local AWS, as somebody made them by hand before a page is read."""

import io
import zipfile

from localaws.ministack import REGION

ROLE = "arn:aws:iam::000000000000:role/made-by-hand"
# In the manner of Okta's guide, with its mistake: who may read anything may read everything.
AUTHORIZER = """
import base64, json
def handler(event, context):
    try:
        claims = event["authorizationToken"].split(".")[1]
        scopes = json.loads(base64.urlsafe_b64decode(claims + "=="))["scope"]
    except Exception:
        raise Exception("Unauthorized")
    api = event["methodArn"].split("/")[0]
    effect = "Allow" if "silver" in scopes else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": f"{api}/*/GET/*"}
    return {"principalId": "somebody", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
"""
BACKEND = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'the planets'}\n"


def function(aws, name, executable, settings=None):
    """A function that runs an executable as Lambda runs the authorizer. Answers with its ARN."""
    return _create(aws, name, "provided.al2023", "bootstrap", "bootstrap", executable.read_bytes(), settings or {})


def backend(aws, name):
    """A function that answers every request. Answers with its ARN."""
    return _create(aws, name, "python3.13", "backend.handler", "backend.py", BACKEND.encode(), {})


def _create(aws, name, runtime, handler, file, content, settings):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        entry = zipfile.ZipInfo(file, date_time=(1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o755 << 16
        zipped.writestr(entry, content)
    made = aws.client("lambda").create_function(
        FunctionName=name, Runtime=runtime, Handler=handler, Role=ROLE, Code={"ZipFile": archive.getvalue()},
        Environment={"Variables": settings},
    )
    return made["FunctionArn"]


def rest_api(aws, name, backend, parts=("planets", "moons", "asteroids"), **tags):
    """A REST API with GET on each part, which nobody authorizes, at the stage prod. Answers with its id."""
    rest = aws.client("apigateway")
    api = rest.create_rest_api(name=name, tags=tags)["id"]
    root = rest.get_resources(restApiId=api)["items"][0]["id"]
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{backend}/invocations"
    for part in parts:
        resource = rest.create_resource(restApiId=api, parentId=root, pathPart=part)["id"]
        method = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
        rest.put_method(**method, authorizationType="NONE")
        rest.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    rest.create_deployment(restApiId=api, stageName="prod")
    return api


def handwritten_authorizer(aws, api, *stages):
    """Puts an authorizer that somebody wrote by hand in front of every method of an API, at all these stages."""
    function = _create(aws, "by-hand", "python3.13", "authorizer.handler", "authorizer.py", AUTHORIZER.encode(), {})
    rest = aws.client("apigateway")
    authorizer = rest.create_authorizer(
        restApiId=api, name="by-hand", type="TOKEN", identitySource="method.request.header.Authorization",
        authorizerUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations",
        authorizerResultTtlInSeconds=0,
    )["id"]
    aws.client("lambda").add_permission(
        FunctionName="by-hand", StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:000000000000:{api}/authorizers/{authorizer}",
    )
    for resource in rest.get_resources(restApiId=api, embed=["methods"])["items"]:
        for verb in resource.get("resourceMethods", {}):
            change = [
                {"op": "replace", "path": "/authorizationType", "value": "CUSTOM"},
                {"op": "replace", "path": "/authorizerId", "value": authorizer},
            ]
            rest.update_method(restApiId=api, resourceId=resource["id"], httpMethod=verb, patchOperations=change)
    for stage in stages:
        rest.create_deployment(restApiId=api, stageName=stage)
