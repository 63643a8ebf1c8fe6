"""Do the Dockerfile and the workflows fit the project? Neither Docker nor GitHub is at hand to run them."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import yaml

from dist import pin

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOWS = REPOSITORY / ".github" / "workflows"


def workflow(name):
    return yaml.safe_load((WORKFLOWS / name).read_text())


def test_every_file_names_the_same_rust():
    toolchain = tomllib.loads((REPOSITORY / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    assert re.findall(r"^ARG RUST=(.*)$", dockerfile, re.MULTILINE) == [toolchain]
    assert workflow("ci.yml")["jobs"]["test"]["container"]["image"] == f"rust:{toolchain}-bookworm"
    assert workflow("nightly.yml")["jobs"]["check"]["container"] == f"rust:{toolchain}-bookworm"


def test_a_release_is_made_with_packages_that_are_known_to_the_byte():
    text = pin.REQUIREMENTS.read_text()
    logical = [line.split() for line in text.replace("\\\n", "").splitlines() if not line.startswith("#")]
    assert [words[0] for words in logical] == pin.versions(text)
    for name, *hashes in logical:
        assert re.fullmatch(r"\S+==[\d.]+", name) and hashes, name
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", value) for value in hashes), name
    asked = (REPOSITORY / "tools" / "dist" / "requirements.in").read_text().splitlines()
    assert {re.sub(r"\[.*\]", "", line) for line in asked if not line.startswith("#")} <= set(pin.versions(text))
    # pip asks for a hash of every package only where it is told to.
    make = (REPOSITORY / "Makefile").read_text()
    assert "--require-hashes --only-binary :all: --no-deps \\\n\t\t-r tools/dist/requirements.txt" in make


def test_a_hash_is_found_by_the_name_of_its_wheel():
    hashes = {pin.name_of("boolean_py-5.0-py3-none-any.whl"): ["cd", "ab"]}
    written = pin.pinned(["boolean.py==5.0"], hashes)
    assert written == pin.HEADER + "boolean.py==5.0 \\\n    --hash=sha256:ab \\\n    --hash=sha256:cd\n"
    assert pin.versions(written) == ["boolean.py==5.0"]


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


def test_nothing_that_was_compiled_for_another_image_is_in_one():
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    assert re.findall(r"--mount=(\S+)", dockerfile) == ["type=cache,target=/usr/local/cargo/registry,sharing=locked"]
    assert "!target" not in (REPOSITORY / ".dockerignore").read_text()


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
    # Only the end-to-end tests want Terraform.
    assert nightly == [step for step in ci if "terraform" not in step.get("uses", "")]
    assert (last["run"], last["working-directory"]) == ("${{ matrix.command }}", "portcullis")


def commands_of(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def test_a_release_is_tested_and_made_where_nothing_may_be_written():
    release = workflow("release.yml")
    assert release["permissions"] == {"contents": "read"}
    assert set(release["jobs"]) == {"test", "build", "publish"}
    # The very same tests, of the commit with the tag.
    assert release["jobs"]["test"]["uses"] == "./.github/workflows/ci.yml"
    # YAML 1.1 takes `on` for a truth.
    assert "workflow_call" in workflow("ci.yml")[True]
    build = release["jobs"]["build"]
    assert build["needs"] == "test" and "permissions" not in build
    assert commands_of(build)[1:] == ["make dist", "make dist-check"]


def test_a_release_may_write_only_what_it_has_to():
    release = workflow("release.yml")
    publish = release["jobs"]["publish"]
    assert publish["needs"] == "build"
    assert publish["permissions"] == {"contents": "write", "id-token": "write", "attestations": "write"}
    # Nothing of the repository and nothing that was built runs with these: no checkout, no make.
    used = [step["uses"].split("@")[0] for step in publish["steps"] if "uses" in step]
    assert used == ["actions/download-artifact", "actions/attest-build-provenance"]
    check, draft = commands_of(publish)
    assert check == "sha256sum --strict --check SHA256SUMS"
    assert draft.startswith('gh release create "$GITHUB_REF_NAME" --draft --verify-tag ')
    # What is checked first is what is attested and released.
    kinds = [step.get("uses", step.get("run")).split("@")[0].split()[0] for step in publish["steps"]]
    assert kinds == ["actions/download-artifact", "sha256sum", "actions/attest-build-provenance", "gh"]
    # The name of a tag is what whoever pushes it wants: it is in a variable, and not in a script.
    assert not [command for job in ("build", "publish") for command in commands_of(release["jobs"][job]) if "${{" in command]
