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


def problems(out: Path) -> list[str]:
    """Where the files are not those that the checksums are of."""
    said = read_sums(out)
    # What is no file has no checksum, and is one too many.
    there = {path.name: digest(path) if path.is_file() else "" for path in out.iterdir() if path.name != NAME}
    found = [f"{name} is missing" for name in said.keys() - there.keys()]
    found += [f"{name} is not in {NAME}" for name in there.keys() - said.keys()]
    found += [f"{name} was changed" for name in said.keys() & there.keys() if said[name] != there[name]]
    return sorted(found)
