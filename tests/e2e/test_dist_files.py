"""Do the Dockerfile and the workflows fit the project? Neither Docker nor GitHub is at hand to run them."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOWS = REPOSITORY / ".github" / "workflows"


def workflow(name):
    return yaml.safe_load((WORKFLOWS / name).read_text())


def test_every_file_names_the_same_rust():
    toolchain = tomllib.loads((REPOSITORY / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    assert re.findall(r"^ARG RUST=(.*)$", dockerfile, re.MULTILINE) == [toolchain]
    assert workflow("ci.yml")["jobs"]["test"]["container"] == f"rust:{toolchain}-bookworm"
    assert workflow("nightly.yml")["jobs"]["check"]["container"] == f"rust:{toolchain}-bookworm"


def test_docker_gets_all_that_cargo_asks_for(tmp_path):
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    for rule in rules[1:]:
        assert rule.startswith("!")
        path = REPOSITORY / rule[1:]
        copy = tmp_path / rule[1:]
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, copy)
        else:
            shutil.copy(path, copy)
    command = ["cargo", "tree", "--locked", "--offline", "-p", "portcullis-cli", "--depth", "0", "-e", "normal", "--prefix", "none"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert printed.stdout.startswith("portcullis-cli v"), printed.stderr


def test_the_image_starts_the_service_as_nobody():
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    final = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]
    assert "USER 65532:65532" in final
    assert 'ENTRYPOINT ["/usr/local/bin/portcullis"]' in final
    # A secret in a layer stays there.
    assert not [line for line in lines if line.startswith(("ARG ", "ENV ")) and re.search("KEY|TOKEN|CREDENTIAL|SECRET|PASSWORD", line)]


def test_continuous_integration_runs_what_a_developer_runs():
    ci = workflow("ci.yml")
    assert ci["permissions"] == {"contents": "read"}
    commands = [step["run"] for step in ci["jobs"]["test"]["steps"] if "run" in step]
    assert commands[-1] == ".ci/run"


def test_every_night_runs_what_the_makefile_has():
    nightly = workflow("nightly.yml")
    assert nightly["permissions"] == {"contents": "read"}
    # YAML 1.1 reads `on` as a truth value.
    assert set(nightly[True]) == {"schedule", "workflow_dispatch"}
    commands = nightly["jobs"]["check"]["strategy"]["matrix"]["command"]
    assert commands == ["make bench-check", "make fuzz SECONDS=30"]
    makefile = (REPOSITORY / "Makefile").read_text()
    for command in commands:
        _, target, *variables = command.split()
        assert f"\n.PHONY: {target}\n" in makefile
        assert all(f"\n{variable.partition('=')[0]} := " in makefile for variable in variables)


def test_every_night_begins_as_continuous_integration_does():
    *ci, _ = workflow("ci.yml")["jobs"]["test"]["steps"]
    *nightly, last = workflow("nightly.yml")["jobs"]["check"]["steps"]
    assert nightly == ci
    assert (last["run"], last["working-directory"]) == ("${{ matrix.command }}", "portcullis")


def test_a_release_may_write_only_what_it_has_to():
    release = workflow("release.yml")
    assert release["permissions"] == {"contents": "read"}
    assert release["jobs"]["release"]["permissions"] == {"contents": "write", "id-token": "write", "attestations": "write"}
    commands = [step["run"] for step in release["jobs"]["release"]["steps"] if "run" in step]
    assert commands[1:3] == ["make dist", "make dist-check"]
