"""Runs every check and test, one after the other, and ends with `N passed, N failed`.

A lint counts as one; a test runner counts its own tests. All steps run, also after one has
failed, so that one run shows everything that is wrong.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".tools" / "venv" / "bin"
TEMPLATES = [
    "deploy/cloudformation/authorizer.yaml",
    "deploy/cloudformation/cloudentity.yaml",
    "deploy/cloudformation/edge.yaml",
    "examples/solar-system/apis.yaml",
    "tests/e2e/websocket.yaml",
]
# Floors 1 and 2 also run in WebAssembly, which has no clock, files or sockets to reach for; decision points do with
# those of the host.
WASM_CRATES = ["model", "jose", "engine", "sideband", "aws", "cloudentity", "pdp", "enforcement", "edge"]


@dataclass
class Step:
    """A command with a name; `counts` says how its output tells the number of tests."""

    name: str
    command: list[str]
    counts: str = "one"
    environment: dict[str, str] = field(default_factory=dict)


def lints() -> list[Step]:
    """Everything that reads the code and does not run it."""
    wasm = [part for crate in WASM_CRATES for part in ("-p", f"portcullis-{crate}")]
    wasm_target = ["--target", "wasm32-unknown-unknown"]
    return [
        Step("formatting", ["cargo", "fmt", "--all", "--check"]),
        Step("clippy", ["cargo", "clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        Step("WebAssembly", ["cargo", "check", "--locked", *wasm, *wasm_target, "--no-default-features"]),
        Step(
            "fuzz targets",
            ["cargo", "clippy", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", "target", "--", "-D", "warnings"],
        ),
        Step(
            "documentation",
            ["cargo", "doc", "--locked", "--workspace", "--no-deps"],
            environment={"RUSTDOCFLAGS": "-D warnings"},
        ),
        Step(
            "licences and sources",
            [str(ROOT / ".tools/cargo/bin/cargo-deny"), "--locked", "check", "licenses", "bans", "sources"],
        ),
        Step("book", [sys.executable, "tools/book/build.py"]),
        Step("spelling", [str(VENV / "typos")]),
        Step("CloudFormation", [str(VENV / "cfn-lint"), "--include-checks", "I", "--", *TEMPLATES]),
    ]


def manual_lints() -> list[Step]:
    """What a person runs with `make lint`, and not every run of all checks: installing it takes too long for what it finds."""
    machete = str(ROOT / ".tools/cargo/bin/cargo-machete")
    return [Step("unused dependencies", [machete, "--with-metadata", "--skip-target-dir", "."])]


def tests() -> list[Step]:
    """Everything that runs the code."""
    return [
        Step("Rust tests", ["cargo", "test", "--locked", "--workspace", "--no-fail-fast"], counts="cargo"),
        # Much of their time is waiting: two at once, each file in one of them.
        Step(
            "end-to-end tests",
            [str(VENV / "python"), "-m", "pytest", "-n", "2", "--dist", "loadfile", "tests/e2e"],
            counts="pytest",
        ),
        Step("commands of the book", [str(VENV / "python"), "-m", "pytest", "tests/book"], counts="pytest"),
        Step(
            "faults",
            # Most of their time is waiting, so three at once do not get in each other's way.
            [str(VENV / "python"), "-m", "pytest", "-n", "3", "--dist", "loadfile", "tests/faults"],
            counts="pytest",
            environment={"FAULTS": "short"},
        ),
    ]


def run(step: Step) -> tuple[int, int]:
    """Runs a step, shows its output as it comes, and returns how many passed and failed."""
    print(f"\n=== {step.name}: {' '.join(step.command)}", flush=True)
    started = time.monotonic()
    environment = {**os.environ, "INSTA_UPDATE": "no", **step.environment}
    process = subprocess.Popen(
        step.command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    status = process.wait()
    print(f"=== {step.name}: {'passed' if status == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
    passed, failed = count(step.counts, "".join(lines))
    if step.counts == "one":
        passed, failed = (1, 0) if status == 0 else (0, 1)
    elif status != 0 and failed == 0:
        failed = 1
    elif passed == 0 and failed == 0:
        print(f"=== {step.name}: no test ran, which counts as a failure", flush=True)
        failed = 1
    return passed, failed


def count(kind: str, output: str) -> tuple[int, int]:
    """Adds up what a test runner says of itself."""
    if kind == "cargo":
        results = re.findall(r"test result: \w+\. (\d+) passed; (\d+) failed", output)
        return sum(int(passed) for passed, _ in results), sum(int(failed) for _, failed in results)
    if kind == "pytest":
        last = output.strip().splitlines()[-1] if output.strip() else ""
        total = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?)", last)}
        return total.get("passed", 0), total.get("failed", 0) + total.get("error", 0) + total.get("errors", 0)
    return 0, 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lints", action="store_true", help="run only what reads the code")
    arguments = parser.parse_args()
    if shutil.which("cargo") is None:
        sys.exit("cargo is not on the PATH: install Rust with rustup (the version is in rust-toolchain.toml)")
    subprocess.run(["rustup", "target", "add", "wasm32-unknown-unknown"], cwd=ROOT, check=False, capture_output=True)
    steps = lints() + (manual_lints() if arguments.lints else tests())
    results = [(step.name, *run(step)) for step in steps]
    print()
    for name, passed, failed in results:
        print(f"{'FAILED' if failed else 'ok':6} {name}: {passed} passed, {failed} failed")
    failed = sum(failed for _, _, failed in results)
    print(f"{sum(passed for _, passed, _ in results)} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
