"""Runs fuzz targets for a time each, and ends with a table of what they tried and found.

A target is a file of fuzz_targets, or `management`: the management API of a running decision service, tried by
schemathesis. All of them run, also after one has found something. CONTRIBUTING.md says how to go on from there.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUZZ = ROOT / "fuzz"
CARGO_FUZZ = ROOT / ".tools" / "cargo" / "bin" / "cargo-fuzz"
MANAGEMENT = "management"
# libFuzzer and its sanitizer hang on flags that the stable compiler has and does not offer.
ENVIRONMENT = {**os.environ, "RUSTC_BOOTSTRAP": "1"}
LONGEST_INPUT = 16384
# One input may take that long by the clock on the wall, also on a busy machine; what takes longer is a failure. In seconds.
SLOWEST_INPUT = 60


@dataclass
class Outcome:
    """What came of a target: counts as text, because not every target has them, and how to see a failure again.

    A target that has tried nothing, or too little, has not found nothing: it has failed.
    """

    target: str
    executions: str = "-"
    edges: str = "-"
    new: str = "-"
    again: str = ""
    lacking: str = ""

    def found(self) -> str:
        return self.again or self.lacking or "nothing"


def fuzz(target: str, seconds: int, seeds: list[str]) -> Outcome:
    """Tries inputs that libFuzzer makes up. What it learns stays in fuzz/corpus."""
    corpus, dictionary = FUZZ / "corpus" / target, FUZZ / "dictionaries" / f"{target}.dict"
    corpus.mkdir(parents=True, exist_ok=True)
    inputs = [corpus, FUZZ / "seeds" / target, *seeds]
    said = run(
        "run", target, *map(str, inputs), "--", f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT}",
        f"-timeout={SLOWEST_INPUT}", f"-dict={dictionary}", "-print_final_stats=1",
    )
    edges = [int(count) for count in re.findall(r"\bcov: (\d+)", said.text)]
    executions = re.search(r"stat::number_of_executed_units: (\d+)", said.text)
    outcome = Outcome(target)
    if executions:
        outcome.executions = executions[1]
    if edges:
        outcome.edges, outcome.new = str(edges[-1]), str(edges[-1] - edges[0])
    if not executions or int(executions[1]) == 0:
        outcome.lacking = "it has tried nothing"
    if said.status != 0:
        print(said.text[-6000:])
        artifact = re.search(r"Test unit written to (\S+)", said.text)
        made = os.path.relpath(artifact[1], ROOT) if artifact else ""
        outcome.again = f"make fuzz TARGET={target}" + (f" INPUT={made}" if made else "")
    return outcome


def management(seconds: int, seed: str | None) -> Outcome:
    """Calls every operation of the management API in every way that schemathesis can think of."""
    sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "e2e")]
    sys.dont_write_bytecode = True
    from management_api import LEAST_OPERATIONS, ManagementApi

    with tempfile.TemporaryDirectory() as directory:
        api = ManagementApi(Path(directory))
        try:
            held, said = api.schemathesis("--max-time", str(seconds), *(["--seed", seed] if seed else []))
        finally:
            api.stop()
    cases = re.search(r"(\d+) generated", said)
    outcome = Outcome(MANAGEMENT, executions=cases[1] if cases else "-")
    operations = re.search(r"Tested: (\d+)", said)
    tested = int(operations[1]) if operations else 0
    if not cases or int(cases[1]) == 0:
        outcome.lacking = "it has tried nothing"
    elif tested < LEAST_OPERATIONS:
        outcome.lacking = f"it has tried {tested} operations; {LEAST_OPERATIONS} or more are expected: give it more SECONDS"
    if not held or outcome.lacking:
        print(said)
    if not held:
        used = re.search(r"Seed: (\d+)", said)
        outcome.again = f"make fuzz TARGET={MANAGEMENT}" + (f" INPUT={used[1]}" if used else "")
    return outcome


@dataclass
class Said:
    status: int
    text: str


def run(command: str, target: str, *arguments: str) -> Said:
    """Runs cargo-fuzz and gives back what it said, but for the progress of the compiler, which is shown."""
    build = [str(CARGO_FUZZ), "build", "--sanitizer", "address", target]
    if subprocess.run(build, cwd=ROOT, env=ENVIRONMENT, check=False).returncode != 0:
        sys.exit(f"the target {target} does not compile")
    done = subprocess.run(
        [str(CARGO_FUZZ), command, "--sanitizer", "address", target, *arguments],
        cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
    )
    return Said(done.returncode, done.stdout)


def table(outcomes: list[Outcome]) -> str:
    """One line a target."""
    rows = [("target", "executions", "edges", "new edges", "found")]
    rows += [(one.target, one.executions, one.edges, one.new, one.found()) for one in outcomes]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[4]]) for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    parser.add_argument("--seconds", type=int, required=True, help="for how long each target runs")
    parser.add_argument("--input", help="run one target on this file only; of management, with this seed")
    parser.add_argument("--seeds", action="append", default=[], metavar="TARGET=DIRECTORY", help="more inputs to begin with")
    arguments = parser.parse_args()
    if arguments.input and len(arguments.targets) != 1:
        parser.error("an input is for one target: name it with TARGET")
    if arguments.input and arguments.targets != [MANAGEMENT]:
        said = run("run", arguments.targets[0], arguments.input)
        print(said.text)
        return said.status
    seeds = [named.split("=", 1) for named in arguments.seeds]
    outcomes = []
    for target in arguments.targets:
        print(f"=== {target}, {arguments.seconds} s", flush=True)
        if target == MANAGEMENT:
            outcomes.append(management(arguments.seconds, arguments.input))
        else:
            more = [directory for named, directory in seeds if named == target and directory]
            outcomes.append(fuzz(target, arguments.seconds, more))
    print(table(outcomes))
    return 1 if any(one.again or one.lacking for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
