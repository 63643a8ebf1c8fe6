"""Reads the CloudFormation templates and what is written of them, so that tests hold one against the other."""

import re

import yaml

from localaws import paths

CLOUDFORMATION = paths.REPOSITORY / "deploy" / "cloudformation"
AUTHORIZER = CLOUDFORMATION / "authorizer.yaml"
CLOUDENTITY = CLOUDFORMATION / "cloudentity.yaml"
EDGE = CLOUDFORMATION / "edge.yaml"
SETTINGS_PAGE = paths.REPOSITORY / "docs" / "authorizer.md"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: `!Ref X` becomes `{"Ref": "X"}`, `!If [...]` `{"Fn::If": [...]}`."""


def _long_form(loader, suffix, node):
    construct = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence}
    value = construct[type(node)](node, **({} if isinstance(node, yaml.ScalarNode) else {"deep": True}))
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)


def load(template):
    """A template as a dictionary."""
    return yaml.load(template.read_text(), _Loader)


def of_type(template, resource_type):
    """The resources of a type, by their names."""
    return {name: it for name, it in template["Resources"].items() if it["Type"] == resource_type}


def environment(template):
    """The names of the variables that the one function may be told; none where Lambda@Edge runs it."""
    (function,) = of_type(template, "AWS::Lambda::Function").values()
    return set(function["Properties"].get("Environment", {"Variables": {}})["Variables"])


def grants(value):
    """Pairs of an action and a resource, in every policy document below `value` that has a resource."""
    if isinstance(value, dict):
        if value.get("Effect") == "Allow" and "Resource" in value:
            for action in _list(value["Action"]):
                for resource in _list(value["Resource"]):
                    yield action, _text(resource)
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from grants(part)


def documented_variables(heading):
    """The variables in the tables of one section of docs/authorizer.md."""
    section = _section(SETTINGS_PAGE.read_text(), heading)
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([A-Z][A-Z_]+)`", cell)}


def documented_discovery_paths():
    """What docs/authorizer.md says that the role of a function that discovers may `apigateway:GET`."""
    (row,) = [line for line in SETTINGS_PAGE.read_text().splitlines() if line.startswith("| `PORTCULLIS_DISCOVERY` ")]
    assert "`apigateway:GET`" in row
    return set(re.findall(r"`(/[^`]+)`", row))


def snake_case(name):
    """`RestApiId` as `rest_api_id`, `ApiGWPolicy` as `api_gw_policy`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _section(page, heading):
    """From a heading to the next of the same or a higher rank."""
    _, found, rest = page.partition(f"\n{heading}\n")
    assert found, heading
    rank = len(heading.split()[0])
    return re.split(rf"^#{{1,{rank}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def _list(value):
    return value if isinstance(value, list) else [value]


def _text(resource):
    if isinstance(resource, str):
        return resource
    ((function, argument),) = resource.items()
    return argument if function == "Fn::Sub" else f"{function} {argument}"
