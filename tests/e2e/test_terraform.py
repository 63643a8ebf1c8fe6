"""The Terraform modules, held against the CloudFormation templates that they follow.

The AWS provider cannot be installed from a package registry, so nothing here plans resources. The modules are read with
python-hcl2, the arguments of their resources are held against those that the provider documents
(terraform-provider.json), and what needs no provider, variables and locals, is evaluated by Terraform itself where there
is one on the PATH.
"""

import json
import re
from pathlib import Path

import pytest

import templates
from localaws import deployment
from terraform_modules import AUTHORIZER, CLOUDENTITY, EDGE, MODULES, TERRAFORM, evaluate, named, plan, read, resources, run

PROVIDER = json.loads(Path(__file__).with_name("terraform-provider.json").read_text())
META_ARGUMENTS = {"count", "depends_on", "dynamic"}
# CloudFormation makes names of its own, Terraform has none to make them of.
OTHER_DEFAULTS = {"function_name"}
ONLY_IN_TERRAFORM = {"tags"}
# A template takes them as one text with commas, so that its rules can look at it.
LISTS = {"aliases"}
# The version of a function, which Terraform's function publishes itself.
NO_RESOURCE_OF_ITS_OWN = {"AWS::Lambda::Version"}
# The policies of the authorizer's role, which the template writes into the role.
INLINE_POLICIES = {"logs", "credential"}

needs_terraform = pytest.mark.skipif(TERRAFORM is None, reason="terraform is not on the PATH")
every_module = pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)


@every_module
def test_variables_are_the_parameters(module):
    variables = named(module, "variable")
    parameters = templates.load(MODULES[module])["Parameters"]
    assert list(variables) == [templates.snake_case(name) for name in parameters] + sorted(ONLY_IN_TERRAFORM)
    for name, parameter in parameters.items():
        variable = variables[templates.snake_case(name)]
        assert variable["description"], name
        assert variable["nullable"] is False, name
        assert variable.get("sensitive", False) == parameter.get("NoEcho", False), name
        assert variable["type"].strip("${}") == terraform_type(parameter, name), name
        if templates.snake_case(name) not in OTHER_DEFAULTS:
            assert variable.get("default") == terraform_value(parameter, name), name


@every_module
def test_outputs_are_the_outputs(module):
    outputs = named(module, "output")
    expected = templates.load(MODULES[module])["Outputs"]
    assert list(outputs) == [templates.snake_case(name) for name in expected]
    assert all(output["description"] for output in outputs.values())


@every_module
def test_resources_are_the_resources(module):
    ours = {name for _, name, _ in resources(module)}
    expected = {
        templates.snake_case(name)
        for name, it in templates.load(MODULES[module])["Resources"].items()
        if it["Type"] not in NO_RESOURCE_OF_ITS_OWN
    }
    assert ours - INLINE_POLICIES == expected


@every_module
def test_the_provider_knows_every_argument(module):
    for resource_type, name, body in resources(module):
        check_arguments(f"{resource_type}.{name}", body, PROVIDER["resources"][resource_type])


@every_module
def test_every_reference_leads_somewhere(module):
    files = [file for file in module.glob("*.tf") if file.name != "variables.tf"]
    text = "".join(re.sub(r"^ *#.*", "", file.read_text(), flags=re.MULTILINE) for file in files)
    declared = {(kind, name) for kind, name, _ in resources(module)}
    found = re.findall(r"\b(data\.)?(aws_[a-z0-9_]+)\.([a-z_]+)(?:\[[0-9*]\])?(?:\.([a-z_]+))?", text)
    assert len(found) > 10
    for data, kind, name, attribute in found:
        known = PROVIDER["data" if data else "resources"][kind]
        assert data or (kind, name) in declared, (kind, name)
        if attribute:
            assert attribute in [*known["computed"], *known.get("required", []), *known.get("optional", [])], (kind, attribute)
    variables = set(named(module, "variable"))
    assert set(re.findall(r"\bvar\.([a-z0-9_]+)", text)) == variables
    assert set(re.findall(r"\blocal\.([a-z0-9_]+)", text)) == {name for block in read(module)["locals"] for name in block}


def check_arguments(where, body, known):
    body = body | {
        block: generator["content"] for each in body.get("dynamic", []) for block, generator in each.items()
    }
    given = set(body) - META_ARGUMENTS
    assert given <= set(known["required"]) | set(known["optional"]), where
    assert set(known["required"]) <= given, where
    for block, arguments in known.get("blocks", {}).items():
        for nested in body.get(block, []):
            check_arguments(f"{where}.{block}", nested, arguments)


@every_module
def test_each_policy_grants_the_same(module):
    granted = {
        name: {action for listed in re.findall(r'Action = (\[.*?\]|".*?")', body["policy"]) for action in texts(listed)}
        for resource_type, name, body in resources(module)
        if resource_type == "aws_iam_role_policy"
    }
    expected = {}
    for name, it in templates.load(MODULES[module])["Resources"].items():
        if it["Type"] == "AWS::IAM::Policy":
            expected[templates.snake_case(name)] = {action for action, _ in templates.grants(it)}
        for inline in inline_policies(it):
            expected[inline["PolicyName"]] = {action for action, _ in templates.grants(inline)}
    assert granted == expected
    assert not any('"*"' in body.get("policy", "") for _, _, body in resources(module))


def texts(expression):
    """The texts in an expression of Terraform."""
    return re.findall(r'"(.*?)"', expression)


def inline_policies(resource):
    """The policies that a role holds itself, also under a condition."""
    for policy in resource["Properties"].get("Policies", []):
        yield policy["Fn::If"][1] if "Fn::If" in policy else policy


def test_who_discovers_may_read_what_is_documented():
    (policy,) = [body["policy"] for _, name, body in resources(CLOUDENTITY) if name == "api_gw_policy"]
    assert set(re.findall(r'"\$\{local.apis\}([^"]+)"', policy)) == templates.documented_discovery_paths()


@every_module
def test_who_may_invoke_the_function(module):
    def permissions(found):
        return sorted((body["action"], body["principal"]) for body in found)

    ours = [body for kind, _, body in resources(module) if kind == "aws_lambda_permission"]
    assert all(body["source_arn"] for body in ours)
    expected = templates.of_type(templates.load(MODULES[module]), "AWS::Lambda::Permission").values()
    assert permissions(ours) == permissions(
        {"action": it["Properties"]["Action"], "principal": it["Properties"]["Principal"]} for it in expected
    )


@needs_terraform
@every_module
def test_the_format_is_terraforms(module):
    result = run("fmt", "-check", "-diff", str(module))
    assert (result.returncode, result.stdout) == (0, "")


@needs_terraform
@every_module
def test_a_value_that_the_template_refuses_is_refused(module, tmp_path):
    parameters = templates.load(MODULES[module])["Parameters"]
    names = {templates.snake_case(name): it for name, it in parameters.items()}
    good = {name: value for name, value in (CODE | GATEWAY | CREDENTIAL).items() if name in names}
    bad = {name: value for name, it in names.items() if (value := refused_by(it, name)) is not None}
    assert len(bad) > 10
    while bad:
        # Terraform shows the line of what it refuses. It does not hold a variable against one that is refused.
        errors = plan(tmp_path, module, good | bad)
        refused = {name for name in bad if f'"{name}": ' in errors}
        assert refused, bad
        bad = {name: value for name, value in bad.items() if name not in refused}


OAUTH = {"issuer": "https://idp.example.com", "audience": "api", "scopes": "GET /planets"}
AUTHZEN = {"issuer": "https://idp.example.com", "audience": "api", "authzen_pdp_url": "https://pdp.example.com"}
CREDENTIAL = {"secret_header_value": "the-credential"}
ARN = {"secret_header_value_arn": "arn:aws:ssm:us-east-1:000000000000:parameter/x"}
LAYER = {"secrets_extension_layer_arn": "arn:aws:lambda:us-east-1:000000000000:layer:secrets:1"}
BUNDLE = {"bundle": "file:policy.json"}
SERVICE = {"service_url": "https://decisions.example.com"}
CODE = {"code_bucket": "code", "code_key": "authorizer.zip"}
GATEWAY = {
    "client_id": "gateway-client",
    "client_secret": "gateway-secret",
    "issuer_url": "https://control-plane.example/acme/system",
}


# The rules of the template, as in test_authorizer_template.py.
@needs_terraform
@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        pytest.param({}, "Say who decides", id="nobody decides"),
        pytest.param(OAUTH | CREDENTIAL, "no sideband service", id="two decide"),
        pytest.param(OAUTH | {"scopes": ""}, "Must be given with issuer", id="no scopes"),
        pytest.param(OAUTH | BUNDLE, "not both", id="issuer and bundle"),
        pytest.param(CREDENTIAL | {"cache_ttl_seconds": 300}, "is for one request", id="caching a service's answer"),
        pytest.param(
            OAUTH | {"cache_ttl_seconds": 300, "require_authorization_header": False}, "Caching needs", id="no cache key"
        ),
        pytest.param(OAUTH | {"cache_ttl_seconds": 300, "http_api_id": "abc"}, "Caching needs", id="caching a simple yes"),
        pytest.param(AUTHZEN | CREDENTIAL | {"issuer": ""}, "Needs issuer", id="AuthZEN without an issuer"),
        pytest.param(AUTHZEN | {"audience": ""}, "Must be given with issuer", id="AuthZEN without an audience"),
        pytest.param(AUTHZEN | SERVICE, "not both", id="AuthZEN and a sideband service"),
        pytest.param(AUTHZEN | BUNDLE, "not both", id="AuthZEN and a bundle"),
        pytest.param(AUTHZEN | {"cache_ttl_seconds": 300}, "is for one request", id="caching an AuthZEN answer"),
        pytest.param(CREDENTIAL | ARN | LAYER, "not both", id="two credentials"),
        pytest.param(ARN, "Needs secrets_extension_layer_arn", id="ARN without the extension"),
    ],
)
def test_variables_that_cannot_work_together_are_refused(tmp_path, variables, reason):
    errors = plan(tmp_path, AUTHORIZER, CODE | variables)
    assert reason in errors
    assert f'"{CREDENTIAL["secret_header_value"]}"' not in errors


ORIGIN = {"api_origin_domain": "abc123.execute-api.eu-west-1.amazonaws.com"}
CERTIFICATE = {"acm_certificate_arn": "arn:aws:acm:us-east-1:000000000000:certificate/x"}
NO_DISTRIBUTION = "Needs api_origin_domain"


# As in test_edge_template.py.
@needs_terraform
@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        pytest.param({"api_origin_path": "/prod"}, NO_DISTRIBUTION, id="a path of nothing"),
        pytest.param({"aliases": ["a.example.com"]} | CERTIFICATE, NO_DISTRIBUTION, id="aliases of nothing"),
        pytest.param(CERTIFICATE, NO_DISTRIBUTION, id="a certificate of nothing"),
        pytest.param({"origin_verify_header": "x" * 20}, NO_DISTRIBUTION, id="a secret for nothing"),
        pytest.param(ORIGIN | {"aliases": ["a.example.com"]}, "Needs acm_certificate_arn", id="no certificate"),
        pytest.param(
            {"secret_kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/x"}, "key of secret_arn", id="a key of nothing"
        ),
    ],
)
def test_variables_of_the_edge_that_cannot_work_together_are_refused(tmp_path, variables, reason):
    assert reason in plan(tmp_path, EDGE, CODE | variables)


@needs_terraform
def test_discovery_needs_the_schedule(tmp_path):
    variables = {"discover_apis": True, "poll_on_schedule": False}
    assert "Needs poll_on_schedule" in plan(tmp_path, CLOUDENTITY, CODE | GATEWAY | variables)


@needs_terraform
@pytest.mark.parametrize(
    ("module", "variables"),
    [
        pytest.param(AUTHORIZER, CREDENTIAL | SERVICE | {"base_url": "https://api.example.com"}, id="sideband"),
        pytest.param(AUTHORIZER, ARN | LAYER | {"secret_header_name": "X-Gateway"}, id="credential by its ARN"),
        pytest.param(AUTHORIZER, OAUTH | {"cache_ttl_seconds": 300, "profile": "okta", "paths": "any"}, id="oauth"),
        pytest.param(AUTHORIZER, BUNDLE | {"http_response": "iam", "strip_stage": True}, id="bundle"),
        pytest.param(AUTHORIZER, AUTHZEN | {"authzen_subject_claims": "scope"}, id="authzen"),
        pytest.param(AUTHORIZER, AUTHZEN | CREDENTIAL | {"authzen_discovery": True}, id="authzen with a credential"),
        pytest.param(CLOUDENTITY, GATEWAY, id="cloudentity"),
        pytest.param(
            CLOUDENTITY,
            GATEWAY
            | {"tenant_id": "acme", "server_id": "system", "inject_context": True, "allow_unknown": True}
            | {"reload_interval": "1m0s", "root_ca": "ca.pem", "analytics_enabled": False, "discover_apis": True},
            id="cloudentity with everything",
        ),
    ],
)
def test_the_function_is_told_the_same(system, layer, tmp_path, request, module, variables):
    if "secrets_extension_layer_arn" in variables:
        variables = variables | {"secrets_extension_layer_arn": layer}
    given = system.authorizer_parameters()
    code = {"code_bucket": given["CodeBucket"], "code_key": given["AuthorizerCodeKey"]}
    told = evaluate(tmp_path, module, code | variables)
    template = MODULES[module]
    names = {templates.snake_case(name): name for name in templates.load(template)["Parameters"]}
    parameters = {"Architecture": deployment.architecture()} | {
        names[name]: str(value).lower() if isinstance(value, bool) else value for name, value in (code | variables).items()
    }
    stack = "terraform-" + re.sub("[^a-z]+", "-", request.node.callspec.id)
    outputs = deployment.deploy(system.aws, stack, template, parameters)
    function = system.aws.client("lambda").get_function_configuration(FunctionName=outputs["FunctionName"])
    # A variable that is set to nothing counts as not set.
    assert told == {name: value for name, value in function["Environment"]["Variables"].items() if value != ""}


def terraform_type(parameter, name):
    """What Terraform calls the type of a parameter."""
    if templates.snake_case(name) in LISTS:
        return "list(string)"
    if parameter.get("AllowedValues") == ["true", "false"]:
        return "bool"
    return "number" if parameter["Type"] == "Number" else "string"


def terraform_value(parameter, name):
    """The default of a parameter as Terraform has it."""
    value = parameter.get("Default")
    if value is None:
        return None
    return {
        "bool": lambda: value == "true",
        "number": lambda: value,
        "string": lambda: value,
        "list(string)": lambda: value.split(",") if value else [],
    }[terraform_type(parameter, name)]()


def refused_by(parameter, name):
    """A value that a parameter of the template does not take; None where it takes everything of its type."""
    if terraform_type(parameter, name) == "bool":
        return None
    if "AllowedValues" in parameter:
        return 2 if parameter["Type"] == "Number" else "no such value"
    if "MaxValue" in parameter:
        return parameter["MaxValue"] + 1
    if "AllowedPattern" in parameter:
        bad = "a b'\x7f/"
        assert re.search(parameter["AllowedPattern"], bad) is None
        return [bad] if terraform_type(parameter, name) == "list(string)" else bad
    if "MinLength" in parameter:
        return ""
    return "x" * (parameter["MaxLength"] + 1) if "MaxLength" in parameter else None
