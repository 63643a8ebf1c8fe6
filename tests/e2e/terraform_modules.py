"""Reads the Terraform modules, and has Terraform evaluate what of them needs no provider."""

import json
import os
import shutil
import subprocess
from functools import cache

import hcl2

import templates
from localaws import paths

# Each module and the template that it follows.
MODULES = {
    paths.REPOSITORY / "deploy" / "terraform" / "authorizer": templates.AUTHORIZER,
    paths.REPOSITORY / "deploy" / "terraform" / "cloudentity": templates.CLOUDENTITY,
    paths.REPOSITORY / "deploy" / "terraform" / "edge": templates.EDGE,
}
AUTHORIZER, CLOUDENTITY, EDGE = MODULES

TERRAFORM = shutil.which("terraform")


@cache
def read(module):
    """All blocks of a module: kind to labels to body, with quotes taken off."""
    blocks = {}
    for file in sorted(module.glob("*.tf")):
        for kind, found in _plain(hcl2.loads(file.read_text())).items():
            blocks.setdefault(kind, []).extend(found if isinstance(found, list) else [])
    return blocks


def named(module, kind):
    """The blocks of a kind with one label, by it."""
    return {name: body for block in read(module)[kind] for name, body in block.items()}


def resources(module):
    """Type, name and arguments of each resource."""
    for block in read(module)["resource"]:
        for resource_type, named_bodies in block.items():
            for name, body in named_bodies.items():
                yield resource_type, name, body


def plan(directory, module, variables):
    """The errors of a plan that has to fail, on one line."""
    result = _terraform("plan", directory, module, variables)
    assert result.returncode == 1, result.stdout
    return " ".join(result.stderr.split())


def evaluate(directory, module, variables, local="environment"):
    """The value of a local: what the function is told, or another one."""
    (directory / "told.tf").write_text(f'output "told" {{\n  value     = local.{local}\n  sensitive = true\n}}\n')
    result = _terraform("apply", directory, module, variables, "-auto-approve")
    assert result.returncode == 0, result.stderr
    return json.loads(run("output", "-json", directory=directory).stdout)["told"]["value"]


def run(*arguments, directory=None):
    """Runs Terraform, without anything that the environment would tell it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return subprocess.run(
        [TERRAFORM, *arguments],
        cwd=directory,
        env=environment | {"CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
    )


def _plain(value):
    """Without the quotes that python-hcl2 leaves around texts, and without its marks."""
    if isinstance(value, dict):
        return {_plain(key): _plain(part) for key, part in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return json.loads(value)
    return value


def _terraform(command, directory, module, variables, *options):
    """Runs a command on the files of a module that need no provider."""
    for file in ("variables.tf", "locals.tf"):
        shutil.copy(module / file, directory)
    (directory / "given.auto.tfvars.json").write_text(json.dumps(variables, indent=0))
    return run(command, "-input=false", "-no-color", *options, directory=directory)
