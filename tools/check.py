"""Runs every check and test, one after the other, and ends with `N passed, N failed, N skipped`.

A lint counts as one; a test runner counts its own tests. All steps run, also after one has
failed, so that one run shows everything that is wrong. A test that is skipped has failed, unless
ALLOWED_SKIPS says why it may be: what never runs finds nothing.
"""

import argparse
import os
import platform
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
# Every skip has a line with the test and the reason; each pytest.ini says -ra, too.
PYTEST = [str(VENV / "python"), "-m", "pytest", "-ra", "--no-fold-skipped"]


@dataclass
class Allowance:
    """Tests that may be skipped, by their names, where `here` holds: on this machine they cannot run."""

    tests: str
    here: bool
    why: str


X86_64 = platform.machine() == "x86_64"
ALLOWED_SKIPS = [
    Allowance(
        r"interrupted::child_that_deploys_until_it_is_killed",
        here=True,
        why="no test, but a process that a_process_that_is_killed_leaves_all_or_nothing starts and kills",
    ),
    Allowance(
        r"tests/e2e/test_(terraform|edge_template)\.py::.*",
        here=shutil.which("terraform") is None,
        why="make does not install Terraform; that modules and templates fit is compared without it",
    ),
    Allowance(
        r"tests/e2e/test_authzen_decision_point\.py::.*",
        here=not (X86_64 and platform.system() == "Linux"),
        why="Cerbos is pinned for Linux on x86-64 only",
    ),
    Allowance(
        r"tests/e2e/test_dist_programs\.py::.*",
        here=not X86_64,
        why="the C compiler of this machine makes no programs for x86-64, and those are what is judged",
    ),
    Allowance(
        r"tests/faults/test_(dns|disk_full)\.py::.*",
        here=os.environ.get("FAULTS_SKIP") == "mounts",
        why="whoever set FAULTS_SKIP may not mount, which tests of DNS and of a full disk do in a namespace of their own",
    ),
]


@dataclass
class Skip:
    """A test that did not run, and what is said of it."""

    test: str
    reason: str


@dataclass
class Counts:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


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
        Step("end-to-end tests", [*PYTEST, "-n", "2", "--dist", "loadfile", "tests/e2e"], counts="pytest"),
        Step("commands of the book", [*PYTEST, "tests/book"], counts="pytest"),
        Step(
            "faults",
            # Most of their time is waiting, so three at once do not get in each other's way.
            [*PYTEST, "-n", "3", "--dist", "loadfile", "tests/faults"],
            counts="pytest",
            environment={"FAULTS": "short"},
        ),
    ]


def run(step: Step) -> Counts:
    """Runs a step, shows its output as it comes, and returns how many passed, failed and were skipped."""
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
    counts, remarks = judge(step.counts, status, "".join(lines), ALLOWED_SKIPS)
    for remark in remarks:
        print(f"=== {step.name}: {remark}", flush=True)
    return counts


def judge(kind: str, status: int, output: str, allowed: list[Allowance]) -> tuple[Counts, list[str]]:
    """What a step counts as that printed `output` and ended with `status`, and what there is to say of it."""
    if kind == "one":
        return (Counts(passed=1) if status == 0 else Counts(failed=1)), []
    counts, skips = count(kind, output)
    if counts == Counts():
        return Counts(failed=1), ["no test ran, which counts as a failure"]
    if status != 0 and counts.failed == 0:
        counts.failed = 1
    remarks = []
    all_skipped, counts.skipped = counts.skipped, 0
    for skip in skips:
        allowance = next((one for one in allowed if one.here and re.fullmatch(one.tests, skip.test)), None)
        told = f"skipped: {skip.test}: {skip.reason or 'it does not say why'}"
        if allowance:
            remarks.append(f"{told}. It may be: {allowance.why}")
            counts.skipped += 1
        else:
            remarks.append(f"{told}. ALLOWED_SKIPS in tools/check.py does not allow that here, so it counts as a failure")
            counts.failed += 1
    if all_skipped > len(skips):
        remarks.append(f"{all_skipped - len(skips)} skipped of which nothing more is said, which counts as as many failures")
        counts.failed += all_skipped - len(skips)
    return counts, remarks


def count(kind: str, output: str) -> tuple[Counts, list[Skip]]:
    """Adds up what a test runner says of itself, and reads which tests it skipped."""
    if kind == "cargo":
        results = re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", output, re.MULTILINE)
        skips = re.findall(r"^test (\S.*) \.\.\. ignored(?:, (.*))?$", output, re.MULTILINE)
        return Counts(*(sum(int(result[part]) for result in results) for part in range(3))), [Skip(*skip) for skip in skips]
    if kind == "pytest":
        last = output.strip().splitlines()[-1] if output.strip() else ""
        total = {word.rstrip("s"): int(number) for number, word in re.findall(r"(\d+) (\w+)", last)}
        # A test that is expected to fail, or left out, has not shown anything either.
        skipped = sum(total.get(word, 0) for word in ("skipped", "xfailed", "xpassed", "deselected"))
        summary = output.rpartition("short test summary info")[2]
        skips = re.findall(r"^SKIPPED (\S.*?)(?: - (?:Skipped: )?(.*))?$", summary, re.MULTILINE)
        return Counts(total.get("passed", 0), total.get("failed", 0) + total.get("error", 0), skipped), [Skip(*skip) for skip in skips]
    raise ValueError(f"no test runner is called {kind}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lints", action="store_true", help="run only what reads the code")
    arguments = parser.parse_args()
    if shutil.which("cargo") is None:
        sys.exit("cargo is not on the PATH: install Rust with rustup (the version is in rust-toolchain.toml)")
    subprocess.run(["rustup", "target", "add", "wasm32-unknown-unknown"], cwd=ROOT, check=False, capture_output=True)
    steps = lints() + (manual_lints() if arguments.lints else tests())
    results = [(step.name, run(step)) for step in steps]
    print()
    for name, counts in results:
        print(f"{'FAILED' if counts.failed else 'ok':6} {name}: {counts}")
    total = Counts(*(sum(getattr(counts, part) for _, counts in results) for part in ("passed", "failed", "skipped")))
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
