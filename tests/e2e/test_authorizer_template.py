"""What deploy/cloudformation/authorizer.yaml makes, by its parameters."""

import json

import pytest
from botocore.exceptions import ClientError

from localaws import deployment, paths
from localaws.processes import ComponentFailure


@pytest.fixture
def deploy(system):
    """Deploys the template under a name of its own, with the code of the session."""

    def call(name, **parameters):
        given = system.authorizer_parameters()
        return deployment.deploy(
            system.aws,
            name,
            paths.AUTHORIZER_TEMPLATE,
            {
                "CodeBucket": given["CodeBucket"],
                "CodeKey": given["AuthorizerCodeKey"],
                "Architecture": given["Architecture"],
                "ServiceUrl": given["ServiceUrl"],
            }
            | parameters,
        )

    return call


def test_with_the_credential_itself_the_role_only_writes_its_log(system, deploy):
    outputs = deploy("plain", SecretHeaderValue="credential")
    assert allowed(system, outputs) == {
        ("logs:CreateLogStream", "/portcullis/plain"),
        ("logs:PutLogEvents", "/portcullis/plain"),
    }


def test_with_an_arn_the_role_reads_that_secret(system, deploy, layer):
    secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:gateway-AbCdEf"
    key = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
    outputs = deploy(
        "secret", SecretHeaderValueArn=secret, SecretKmsKeyArn=key, SecretsExtensionLayerArn=layer
    )
    assert allowed(system, outputs) == {
        ("logs:CreateLogStream", "/portcullis/secret"),
        ("logs:PutLogEvents", "/portcullis/secret"),
        ("secretsmanager:GetSecretValue", secret),
        ("ssm:GetParameter", secret),
        ("kms:Decrypt", key),
    }
    function = system.aws.client("lambda").get_function_configuration(FunctionName=outputs["FunctionName"])
    settings = function["Environment"]["Variables"]
    assert settings["SECRET_HEADER_VALUE_ARN"] == secret
    assert "SECRET_HEADER_VALUE" not in settings
    assert [attached["Arn"] for attached in function["Layers"]] == [layer]


CREDENTIAL = {"SecretHeaderValue": "credential"}
OAUTH = {"Issuer": "https://idp.example.com", "Audience": "api", "Scopes": "GET /planets", "ServiceUrl": ""}
AUTHZEN = OAUTH | {"Scopes": "", "AuthzenPdpUrl": "https://pdp.example.com"}
ARN = {"SecretHeaderValueArn": "arn:aws:ssm:us-east-1:000000000000:parameter/x"}


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        pytest.param({}, "Say who decides", id="nobody decides"),
        pytest.param(CREDENTIAL | OAUTH, "no sideband service", id="two decide"),
        pytest.param(OAUTH | {"Scopes": ""}, "Issuer needs Audience and Scopes", id="no scopes"),
        pytest.param(OAUTH | {"Bundle": "file:policy.json"}, "not both", id="issuer and bundle"),
        pytest.param(CREDENTIAL | {"CacheTtlSeconds": "300"}, "is for one request", id="caching a service's answer"),
        pytest.param(
            OAUTH | {"CacheTtlSeconds": "300", "RequireAuthorizationHeader": "false"}, "Caching needs", id="no cache key"
        ),
        pytest.param(AUTHZEN | {"Issuer": ""} | CREDENTIAL, "needs Issuer", id="AuthZEN without an issuer"),
        pytest.param(AUTHZEN | {"Audience": ""}, "needs Audience", id="AuthZEN without an audience"),
        pytest.param(AUTHZEN | {"ServiceUrl": "https://x.example"}, "not both", id="AuthZEN and a sideband service"),
        pytest.param(AUTHZEN | {"Bundle": "file:policy.json"}, "not both", id="AuthZEN and a bundle"),
        pytest.param(AUTHZEN | {"CacheTtlSeconds": "300"}, "is for one request", id="caching an AuthZEN answer"),
        pytest.param(CREDENTIAL | ARN, "not both", id="two credentials"),
        pytest.param(ARN, "needs SecretsExtensionLayerArn", id="ARN without the extension"),
        pytest.param({"SecretHeaderValueArn": "name"}, "SecretHeaderValueArn", id="a name for an ARN"),
        pytest.param(CREDENTIAL | {"TimeoutSeconds": "30"}, "TimeoutSeconds", id="slower than API Gateway waits"),
        pytest.param(CREDENTIAL | {"OnUnavailable": "allow"}, "OnUnavailable", id="fails open"),
        pytest.param(CREDENTIAL | {"BaseUrl": "https://api.example.com/path"}, "BaseUrl", id="base URL with a path"),
    ],
)
def test_parameters_that_cannot_work_are_refused(deploy, parameters, reason):
    with pytest.raises((ClientError, ComponentFailure), match=reason):
        deploy("refused", **parameters)


def test_only_the_authorizers_of_the_named_apis_may_invoke_it(system, deploy):
    elsewhere = "arn:aws:execute-api:us-east-1:000000000000:abcdef1234/authorizers/a1b2c3"
    outputs = deploy("elsewhere", SecretHeaderValue="credential", InvokeSourceArn=elsewhere)
    assert sources(system, outputs["FunctionName"]) == [elsewhere]


def test_each_authorizer_of_the_stack_may_invoke_it(system, apis):
    rest, http = (api.host.split(".")[0] for api in (apis.rest, apis.http))
    rest_authorizer = system.aws.client("apigateway").get_authorizers(restApiId=rest)["items"][0]
    http_authorizer = system.aws.client("apigatewayv2").get_authorizers(ApiId=http)["Items"][0]
    assert sources(system, apis.authorizer_function) == sorted(
        [
            f"arn:aws:execute-api:us-east-1:000000000000:{rest}/authorizers/{rest_authorizer['id']}",
            f"arn:aws:execute-api:us-east-1:000000000000:{http}/authorizers/{http_authorizer['AuthorizerId']}",
        ]
    )
    assert rest_authorizer["authorizerResultTtlInSeconds"] == 0
    assert http_authorizer["AuthorizerResultTtlInSeconds"] == 0


def test_the_gateway_responses_of_the_rest_api(system, apis):
    gateway = system.aws.client("apigateway")
    api = apis.rest.host.split(".")[0]
    customised = {
        response["responseType"]: response
        for response in gateway.get_gateway_responses(restApiId=api)["items"]
        if not response["defaultResponse"]
    }
    assert {name: response["statusCode"] for name, response in customised.items()} == {
        "UNAUTHORIZED": "401",
        "ACCESS_DENIED": "403",
        "AUTHORIZER_FAILURE": "500",
        "AUTHORIZER_CONFIGURATION_ERROR": "500",
    }
    for response in customised.values():
        assert response["responseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"
    denied = customised["ACCESS_DENIED"]
    assert denied["responseParameters"]["gatewayresponse.header.WWW-Authenticate"] == "context.authorizer.challenge"
    assert "$context.authorizer.reason" in denied["responseTemplates"]["application/json"]


def allowed(system, outputs):
    """Pairs of action and resource in the role; a log group is shown by its name."""
    iam = system.aws.client("iam")
    role = outputs["RoleArn"].rsplit("/", 1)[-1]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    pairs = set()
    for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        for statement in document["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            resource = statement["Resource"]
            if ":log-group:" in resource:
                resource = resource.split(":log-group:")[1].removesuffix(":*")
            pairs |= {(action, resource) for action in actions}
    return pairs


def sources(system, function):
    policy = json.loads(system.aws.client("lambda").get_policy(FunctionName=function)["Policy"])
    return sorted(statement["Condition"]["ArnLike"]["AWS:SourceArn"] for statement in policy["Statement"])
