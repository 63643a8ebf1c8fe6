"""What deploy/cloudformation/cloudentity.yaml makes, and that its function polls the control plane it names."""

import base64
import json
import subprocess
import urllib.parse

import pytest
from botocore.exceptions import ClientError

import templates
from conftest import eventually
from localaws import deployment, paths
from localaws.ministack import REGION
from localaws.processes import ComponentFailure, plain_environment
from misbehaving_service import SidebandService, body

GATEWAY = {
    "ClientId": "gateway-client",
    "ClientSecret": "gateway-secret",
    "IssuerUrl": "https://control-plane.example/acme/system",
}


@pytest.fixture
def deploy(system):
    """Deploys the template under a name of its own, with the code of the session."""

    def call(name, **parameters):
        given = system.authorizer_parameters()
        code = {"CodeBucket": given["CodeBucket"], "CodeKey": given["AuthorizerCodeKey"]}
        return deployment.deploy(
            system.aws,
            name,
            templates.CLOUDENTITY,
            code | {"Architecture": given["Architecture"]} | GATEWAY | parameters,
        )

    return call


@pytest.fixture
def control_plane():
    """Knows nobody, and keeps what it was asked."""
    service = SidebandService()
    service.behaviour = body("{}", status=401)
    yield service
    service.stop()


def test_the_function_and_its_schedule(system, deploy):
    outputs = deploy("cloudentity")
    function = system.aws.client("lambda").get_function_configuration(FunctionName=outputs["FunctionName"])
    assert (function["Runtime"], function["Handler"]) == ("provided.al2023", "bootstrap")
    assert (function["MemorySize"], function["Timeout"]) == (128, 30)
    assert function["Environment"]["Variables"]["ACP_CLIENT_SECRET"] == GATEWAY["ClientSecret"]
    assert outputs["AuthorizerUri"].endswith(f":lambda:path/2015-03-31/functions/{outputs['FunctionArn']}/invocations")
    assert function["Environment"]["Variables"]["PORTCULLIS_DISCOVERY"] == "false"
    (rule,) = rules(system, outputs)
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED")
    policy = json.loads(system.aws.client("lambda").get_policy(FunctionName=outputs["FunctionName"])["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"]["ArnLike"]["AWS:SourceArn"] == rule["Arn"]


def test_the_role_only_writes_its_log(system, deploy):
    outputs = deploy("cloudentity-role")
    assert {action for action, _ in allowed(system, outputs)} == {"logs:CreateLogStream", "logs:PutLogEvents"}
    (resource,) = {resource for _, resource in allowed(system, outputs)}
    assert ":log-group:/portcullis/cloudentity-role" in resource


def test_a_role_that_discovers_also_reads_which_apis_there_are(system, deploy):
    outputs = deploy("cloudentity-discovery", DiscoverApis="true")
    function = system.aws.client("lambda").get_function_configuration(FunctionName=outputs["FunctionName"])
    assert function["Environment"]["Variables"]["PORTCULLIS_DISCOVERY"] == "true"
    prefix = f"arn:aws:apigateway:{REGION}::"
    discovery = {(action, resource) for action, resource in allowed(system, outputs) if not action.startswith("logs:")}
    assert discovery == {("apigateway:GET", prefix + path) for path in templates.documented_discovery_paths()}


def test_the_schedule_can_be_off(system, deploy):
    (rule,) = rules(system, deploy("cloudentity-off", PollOnSchedule="false"))
    assert rule["State"] == "DISABLED"


def test_the_function_asks_the_control_plane_as_the_gateway(system, deploy, control_plane):
    outputs = deploy("cloudentity-poll", IssuerUrl=f"{control_plane.url()}/acme/system")
    event = {"source": "aws.events", "detail-type": "Scheduled Event"}
    answer = system.aws.client("lambda").invoke(
        FunctionName=outputs["FunctionName"], Payload=json.dumps(event).encode()
    )
    answer["Payload"].read()
    eventually(lambda: control_plane.calls)
    path, headers, _ = control_plane.calls[0]
    assert path == "/acme/system/oauth2/token"
    user, _, secret = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode().partition(":")
    assert urllib.parse.unquote_plus(user) == GATEWAY["ClientId"]
    assert urllib.parse.unquote_plus(secret) == GATEWAY["ClientSecret"]


def test_portcullis_aws_binds_apis_to_it_without_a_cache(system, deploy, control_plane, tmp_path):
    outputs = deploy("cloudentity-bound", IssuerUrl=f"{control_plane.url()}/acme/system")
    gateway = system.aws.client("apigateway")
    api = gateway.create_rest_api(name="cloudentity-bound")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    method = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    gateway.put_method(**method, authorizationType="NONE")
    gateway.put_integration(**method, type="MOCK")

    bind = ["aws", "bind", "--function", outputs["FunctionName"], "--api", api, "--deploy", "--yes"]
    environment = plain_environment(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{system.aws.port}",
        AWS_REGION=REGION,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
    )
    subprocess.run([paths.PORTCULLIS, *bind], cwd=tmp_path, env=environment, check=True, timeout=60)

    (authorizer,) = gateway.get_authorizers(restApiId=api)["items"]
    assert authorizer["authorizerUri"] == outputs["AuthorizerUri"]
    assert authorizer["authorizerResultTtlInSeconds"] == 0
    assert gateway.get_method(**method)["authorizerId"] == authorizer["id"]
    policy = json.loads(system.aws.client("lambda").get_policy(FunctionName=outputs["FunctionName"])["Policy"])
    invokers = {statement["Principal"]["Service"] for statement in policy["Statement"]}
    assert invokers == {"events.amazonaws.com", "apigateway.amazonaws.com"}


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        pytest.param({"ClientSecret": ""}, "ClientSecret", id="no secret"),
        pytest.param({"IssuerUrl": "acme.example/system"}, "IssuerUrl", id="no URL"),
        pytest.param({"ReloadInterval": "5"}, "ReloadInterval", id="a time without a unit"),
        pytest.param({"ConfigurationMaxAge": "-1h"}, "ConfigurationMaxAge", id="a time in the past"),
        pytest.param({"OnUnavailable": "allow"}, "OnUnavailable", id="fails open"),
        pytest.param(
            {"DiscoverApis": "true", "PollOnSchedule": "false"}, "needs PollOnSchedule", id="discovery without a schedule"
        ),
        pytest.param({"LoggingLevel": "INFO"}, "LoggingLevel", id="not a level of Cloudentity's"),
    ],
)
def test_parameters_that_cannot_work_are_refused(deploy, parameters, reason):
    with pytest.raises((ClientError, ComponentFailure), match=reason):
        deploy("cloudentity-refused", **parameters)


def allowed(system, outputs):
    """Pairs of action and resource in the role."""
    iam = system.aws.client("iam")
    role = outputs["RoleArn"].rsplit("/", 1)[-1]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    return set(templates.grants(documents))


def rules(system, outputs):
    """The rules of EventBridge that lead to the function."""
    events = system.aws.client("events")
    return [
        rule
        for rule in events.list_rules()["Rules"]
        if any(
            target["Arn"] == outputs["FunctionArn"]
            for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        )
    ]
