"""The CloudFormation templates, as cfn-lint sees them and as the documentation tells of them."""

import subprocess
import sys
from pathlib import Path

import pytest

import templates
from localaws import paths

OURS = sorted(templates.CLOUDFORMATION.glob("*.yaml"))
TEMPLATES = [
    *OURS,
    paths.SOLAR_SYSTEM / "apis.yaml",
    paths.REPOSITORY / "tests" / "e2e" / "websocket.yaml",
]
EVERYBODY = "### For every decision point"
CLOUDENTITY = "### A Cloudentity control plane says what to decide"
# Documented, and of no use in the stack.
NOT_IN_THE_STACK = {
    "HTTP_CLIENT_INSECURE_SKIP_VERIFY": "true is refused",
    "LOGGING_LEVEL": "Lambda sets AWS_LAMBDA_LOG_LEVEL, which comes first",
    "PORTCULLIS_CONFIGURATION_COPY": "a function may write to one directory only, which is the default",
}


def by_name(path):
    return path.name


@pytest.mark.parametrize("template", TEMPLATES, ids=by_name)
def test_cfn_lint_has_nothing_to_say(template):
    lint = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--include-checks", "I", "--", str(template)],
        capture_output=True,
        text=True,
    )
    assert (lint.returncode, lint.stdout) == (0, "")


@pytest.mark.parametrize("template", OURS, ids=by_name)
def test_parameters_without_a_default_are_in_the_example(template):
    readme = (templates.CLOUDFORMATION / "README.md").read_text()
    required = [name for name, it in templates.load(template)["Parameters"].items() if "Default" not in it]
    assert required
    assert [name for name in required if f" {name}=" not in readme] == []


@pytest.mark.parametrize("template", OURS, ids=by_name)
def test_every_parameter_is_in_one_group(template):
    loaded = templates.load(template)
    groups = loaded["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert grouped == list(loaded["Parameters"])


@pytest.mark.parametrize("template", OURS, ids=by_name)
def test_the_function_is_told_nothing_but_documented_variables(template):
    assert templates.environment(templates.load(template)) <= templates.documented_variables("## Settings")


def test_cloudentity_mode_can_be_told_every_variable_that_it_has():
    documented = templates.documented_variables(CLOUDENTITY)
    told = templates.environment(templates.load(templates.CLOUDENTITY))
    assert documented - told == set(NOT_IN_THE_STACK)
    assert told - documented <= templates.documented_variables(EVERYBODY)
    # Cloudentity mode takes no other than 0s.
    assert "PORTCULLIS_CACHE_TTL" not in told


def test_cloudentity_stack_has_the_resources_that_cloudentity_names():
    template = templates.load(templates.CLOUDENTITY)
    assert {name: it["Type"] for name, it in template["Resources"].items()} == {
        "LambdaFunction": "AWS::Lambda::Function",
        "LambdaExecutionRole": "AWS::IAM::Role",
        "LambdaPolicy": "AWS::IAM::Policy",
        "LambdaTrigger": "AWS::Events::Rule",
        "LambdaPermission": "AWS::Lambda::Permission",
        "ApiGWPolicy": "AWS::IAM::Policy",
        "LogGroup": "AWS::Logs::LogGroup",
    }
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert [group["Label"]["default"] for group in groups] == [
        "Base configuration",
        "Advanced configuration",
        "Certificate configuration",
    ]
    assert [name for name, it in template["Parameters"].items() if it.get("NoEcho")] == ["ClientSecret"]


def test_cloudentity_stack_grants_what_the_documentation_says():
    resources = templates.load(templates.CLOUDENTITY)["Resources"]
    assert set(templates.grants(resources["LambdaPolicy"])) == {
        ("logs:CreateLogStream", "Fn::GetAtt LogGroup.Arn"),
        ("logs:PutLogEvents", "Fn::GetAtt LogGroup.Arn"),
    }
    assert "Policies" not in resources["LambdaExecutionRole"]["Properties"]
    discovery = resources["ApiGWPolicy"]
    assert discovery["Condition"] == "Discovers"
    prefix = "arn:${AWS::Partition}:apigateway:${AWS::Region}::"
    paths = templates.documented_discovery_paths()
    assert set(templates.grants(discovery)) == {("apigateway:GET", prefix + path) for path in paths}
