"""Writes the hashes of the packages into requirements.txt, for the versions that it names: `make dist` installs nothing
else. requirements.in says when to run it.

Only hashes of wheels for the machines and the versions of Python that a release can be made with: what is compiled while
it is installed would bring more that nobody has pinned.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from dist.sums import digest

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
MACHINES = ("x86_64", "aarch64")
# tomllib came with 3.11.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
HEADER = (
    "# The packages of requirements.in and all that they need, at exact versions, with the SHA-256 of each wheel for\n"
    f"# CPython {' '.join(PYTHONS)} on Linux ({' '.join(MACHINES)}). requirements.in says how it is made.\n"
)


def versions(text: str) -> list[str]:
    """`NAME==VERSION` of each package of a requirements.txt, with hashes or without."""
    words = (line.split() for line in text.splitlines() if not line.startswith(("#", " ")))
    return [found[0] for found in words if found]


def download(wanted: list[str], folder: Path) -> None:
    """Has pip fetch every wheel that it would install on one of the machines, from pypi.org and from nowhere else."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL")}
    for machine in MACHINES:
        for python in PYTHONS:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            command += ["--index-url", "https://pypi.org/simple", "--only-binary", ":all:", "--python-version", python]
            command += ["--platform", f"manylinux2014_{machine}", "--dest", str(folder), *wanted]
            subprocess.run(command, env=environment, check=True)


def name_of(wheel: str) -> str:
    """The package of a wheel, as names are compared (PyPA, "Names and normalization")."""
    return normal(wheel.split("-")[0])


def normal(name: str) -> str:
    """A name as it is compared."""
    return name.lower().replace("_", "-").replace(".", "-")


def pinned(wanted: list[str], hashes: dict[str, list[str]]) -> str:
    """The text of requirements.txt, from the hashes by the names of the packages."""
    lines = []
    for requirement in wanted:
        found = hashes[normal(requirement.split("==")[0])]
        lines.append(" \\\n".join([requirement, *(f"    --hash=sha256:{value}" for value in sorted(found))]) + "\n")
    return HEADER + "".join(lines)


def main() -> None:
    """Rewrites the file."""
    wanted = versions(REQUIREMENTS.read_text())
    hashes = {}
    with tempfile.TemporaryDirectory() as folder:
        download(wanted, Path(folder))
        for wheel in Path(folder).iterdir():
            hashes.setdefault(name_of(wheel.name), []).append(digest(wheel))
    REQUIREMENTS.write_text(pinned(wanted, hashes))


if __name__ == "__main__":
    main()
