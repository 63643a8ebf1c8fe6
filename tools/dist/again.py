"""Makes a release a second time, from a clone in another place with another home of cargo, and compares the two."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from dist import sums
from dist.errors import DistError
from dist.settings import NAMES, cargo_home, without_override


def make_again(root: Path, first: Path, architectures: list[str], keep: bool) -> None:
    """Fails unless the last commit gives the bytes that are in `first`."""
    if not (first / sums.NAME).exists():
        raise DistError(f"{first} has no {sums.NAME}: make a release with `make dist` first")
    # Two lists of checksums are compared, so the first has to be that of the files that will be published.
    wrong = sums.problems(first)
    if wrong:
        raise DistError("\n".join([f"{first} is not what {sums.NAME} says:", *(f"  {line}" for line in wrong)]))
    changed = git(root, "status", "--porcelain")
    if changed:
        raise DistError(f"the second build is of the last commit, and there are changes beside it:\n{changed}")
    # Not below the checkout, where cargo would find its settings, too.
    place = Path(tempfile.mkdtemp(prefix="portcullis-again-"))
    try:
        second = build(root, place, architectures)
        wrong = differences(sums.read_sums(first), sums.read_sums(second))
    finally:
        if not keep:
            shutil.rmtree(place)
    if wrong:
        raise DistError("\n".join(["the two builds differ:", *(f"  {line}" for line in wrong)]))
    print(f"OK: {len(sums.read_sums(first))} files are the same in both builds")


def build(root: Path, place: Path, architectures: list[str]) -> Path:
    """The second release: where it is."""
    clone, home, target, out = (place / name for name in ("clone", "cargo-home", "elsewhere", "dist"))
    git(root, "clone", "--quiet", "--no-hardlinks", str(root), str(clone))
    # The archives of the crates need not be fetched again; they are unpacked again.
    usual = cargo_home()
    for part in ("index", "cache"):
        if (usual / "registry" / part).is_dir():
            shutil.copytree(usual / "registry" / part, home / "registry" / part)
    home.mkdir(exist_ok=True)
    for name in NAMES:
        if (usual / name).exists():
            shutil.copy(usual / name, home)
    environment = {**without_override(), "CARGO_HOME": str(home), "PYTHONPATH": str(clone / "tools")}
    command = [sys.executable, "-m", "dist", "build", "--root", str(clone), "--target-directory", str(target), "--out", str(out)]
    result = subprocess.run([*command, "--archs", *architectures], env=environment, check=False)
    if result.returncode != 0:
        raise DistError("the second build failed")
    return out


def differences(first: dict[str, str], second: dict[str, str]) -> list[str]:
    """What is not the same in two releases, by their checksums."""
    found = [f"{name} is only in the first" for name in first.keys() - second.keys()]
    found += [f"{name} is only in the second" for name in second.keys() - first.keys()]
    found += [f"{name} has other bytes" for name in first.keys() & second.keys() if first[name] != second[name]]
    return sorted(found)


def git(root: Path, *arguments: str) -> str:
    """What git says."""
    result = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise DistError(f"`git {' '.join(arguments)}` failed: {result.stderr.strip()}")
    return result.stdout.rstrip()
