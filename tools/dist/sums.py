"""The checksums of a release, in the form of `sha256sum`."""

import hashlib
from pathlib import Path

NAME = "SHA256SUMS"


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_sums(out: Path) -> None:
    """Writes the checksums of all files, as `sha256sum` does."""
    names = sorted(path.name for path in out.iterdir())
    (out / NAME).write_text("".join(f"{digest(out / name)}  {name}\n" for name in names))


def read_sums(out: Path) -> dict[str, str]:
    """The checksums that `write_sums` wrote, by the name of the file."""
    lines = (out / NAME).read_text().splitlines()
    return {name: value for value, name in (line.split("  ", 1) for line in lines)}
