"""Counts the instructions of the hot paths and compares them with those kept in benches/instructions/counts.json.

Callgrind counts what the release build executes, whatever else the machine is doing. Each path runs in two processes
that differ in nothing but how often they run it, so what is left of the difference is the path alone.

Counts are those of an architecture, which has its own instructions: another one's are not compared. Another compiler or
another valgrind may count otherwise as well, which is said beside the comparison.

`make bench-check` fails where a path takes over 5 % more than is kept; `make bench-check UPDATE=1` keeps what is counted now.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "benches/instructions/counts.json"
# How much a path may grow, in percent.
ALLOWED = 5
# How often a path runs in the two processes.
FEW, MANY = 20, 120


class CheckError(Exception):
    """Counting is not possible, and why."""


def counted_with() -> dict[str, str]:
    """What counts depend on beside the sources."""
    return {
        "architecture": platform.machine(),
        "rustc": version(["rustc", "--version"]),
        "valgrind": version(["valgrind", "--version"]),
    }


def version(command: list[str]) -> str:
    """The version that a program prints: `rustc 1.95.0 (...)`, `valgrind-3.19.0`."""
    try:
        # In the project, whose rust-toolchain.toml chooses the compiler.
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise CheckError(f"{' '.join(command)} does not work: {error}") from error
    found = re.search(r"\d+(?:\.\d+)+", said)
    if found is None:
        raise CheckError(f"{' '.join(command)} printed no version: {said.strip()}")
    return found[0]


def differences(kept: dict[str, str], now: dict[str, str]) -> list[str]:
    """What to know when the counts are compared. Those of another architecture cannot be."""
    if kept["architecture"] != now["architecture"]:
        raise CheckError(
            f"the counts in {KEPT.relative_to(ROOT)} are of {kept['architecture']}, and this is {now['architecture']}, whose instructions "
            f"are others: run this on {kept['architecture']}, or keep the counts of {now['architecture']} with: make bench-check UPDATE=1"
        )
    return [f"{name} is {now[name]}, and was {kept[name]} when the counts were kept: a part of a difference may be its own"
            for name in ("rustc", "valgrind") if kept[name] != now[name]]


def count(binary: Path, path: str, times: int) -> int:
    """The instructions of a process that runs `path` so many times."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", str(binary), path, str(times)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    if done.returncode != 0:
        raise CheckError(f"{path}: the process ended with {done.returncode}: {done.stderr.strip()}")
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise CheckError(f"{path}: valgrind printed no count: {done.stderr.strip()}")
    return int(found[1])


def measure(binary: Path) -> dict[str, int]:
    """The instructions of each path, once."""
    paths = subprocess.run([binary], capture_output=True, text=True, check=True).stdout.splitlines()
    runs = [(path, times) for path in paths for times in (FEW, MANY)]
    counted = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for (path, times), instructions in zip(runs, pool.map(lambda run: count(binary, *run), runs), strict=True):
            if times == FEW:
                few = instructions
                continue
            counted[path] = (instructions - few) // (MANY - FEW)
            print(f"  {counted[path]:>9,}  {path}", file=sys.stderr, flush=True)
    return counted


def compare(kept: dict[str, int], counted: dict[str, int]) -> tuple[list[str], list[str]]:
    """Lines of a table, and what is wrong."""
    lines, wrong = [], []
    for path in [*kept, *(path for path in counted if path not in kept)]:
        before, now = kept.get(path), counted.get(path)
        if before is None or now is None:
            wrong.append(f"{path}: {'not kept yet' if before is None else 'no longer counted'}")
            continue
        change = (now / before - 1) * 100
        lines.append(f"{path:50} {before:>9,} {now:>9,} {change:>+7.2f} %")
        if (now - before) * 100 > before * ALLOWED:
            wrong.append(f"{path}: {now:,} instructions, {change:.1f} % more than the {before:,} that are kept; up to {ALLOWED} % is allowed")
    return lines, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path, help="portcullis-instructions, of the release build")
    parser.add_argument("--update", action="store_true", help="keep what is counted now")
    arguments = parser.parse_args()
    try:
        now = counted_with()
        kept = None if arguments.update else json.loads(KEPT.read_text())
        # Before counting, which takes a minute.
        notes = differences(kept["counted with"], now) if kept else []
        counted = measure(arguments.binary.resolve())
    except CheckError as error:
        print(error, file=sys.stderr)
        return 2
    if kept is None:
        KEPT.write_text(json.dumps({"counted with": now, "instructions": counted}, indent=2) + "\n")
        print(f"{KEPT.relative_to(ROOT)}: {len(counted)} paths are kept")
        return 0
    lines, wrong = compare(kept["instructions"], counted)
    for note in notes:
        print(f"NOTE {note}")
    print(f"{'instructions of':50} {'kept':>9} {'now':>9}", *lines, sep="\n")
    for problem in wrong:
        print(f"FAILED {problem}", file=sys.stderr)
    if wrong:
        print("Find out why (callgrind_annotate), or keep the new counts with: make bench-check UPDATE=1", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
