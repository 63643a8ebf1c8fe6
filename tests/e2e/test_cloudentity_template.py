"""What deploy/cloudformation/cloudentity.yaml makes, and that its function polls the control plane it names."""

import base64
import json
import urllib.parse

import pytest
from botocore.exceptions import ClientError

import templates
from conftest import eventually
from localaws import deployment
from localaws.processes import ComponentFailure
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
    assert (function["MemorySize"], function["Timeout"]) == (128, 15)
    assert function["Environment"]["Variables"]["ACP_CLIENT_SECRET"] == GATEWAY["ClientSecret"]
    assert outputs["AuthorizerUri"].endswith(f":lambda:path/2015-03-31/functions/{outputs['FunctionArn']}/invocations")
    assert "DiscoveryPolicyArn" not in outputs
    (rule,) = rules(system, outputs)
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED")
    policy = json.loads(system.aws.client("lambda").get_policy(FunctionName=outputs["FunctionName"])["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"]["ArnLike"]["AWS:SourceArn"] == rule["Arn"]


def test_the_role_only_writes_its_log(system, deploy):
    outputs = deploy("cloudentity-role", DiscoverApis="true")
    iam = system.aws.client("iam")
    role = outputs["RoleArn"].rsplit("/", 1)[-1]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    (arn,) = {resource for _, resource in templates.grants(document)}
    assert ":log-group:/portcullis/cloudentity-role" in arn
    assert {action for action, _ in templates.grants(document)} == {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_the_policy_of_who_discovers_is_attached_to_nobody(system, deploy):
    arn = deploy("cloudentity-discovery", DiscoverApis="true")["DiscoveryPolicyArn"]
    iam = system.aws.client("iam")
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    assert policy["AttachmentCount"] == 0
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    assert {action for action, _ in templates.grants(version["Document"])} == {
        "apigateway:GET",
        "lambda:GetPolicy",
        "lambda:GetFunctionConfiguration",
    }


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


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        pytest.param({"ClientSecret": ""}, "ClientSecret", id="no secret"),
        pytest.param({"IssuerUrl": "acme.example/system"}, "IssuerUrl", id="no URL"),
        pytest.param({"ReloadInterval": "5"}, "ReloadInterval", id="a time without a unit"),
        pytest.param({"ConfigurationMaxAge": "-1h"}, "ConfigurationMaxAge", id="a time in the past"),
        pytest.param({"OnUnavailable": "allow"}, "OnUnavailable", id="fails open"),
        pytest.param({"LoggingLevel": "INFO"}, "LoggingLevel", id="not a level of Cloudentity's"),
    ],
)
def test_parameters_that_cannot_work_are_refused(deploy, parameters, reason):
    with pytest.raises((ClientError, ComponentFailure), match=reason):
        deploy("cloudentity-refused", **parameters)


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
