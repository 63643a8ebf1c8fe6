"""The notices of third parties that go with an archive: MIT, BSD, ISC and others ask for them in every copy.

They are the files that the crates in its programs come with, as cargo has unpacked them, and those of Rust's standard
library and of zig. Texts that many have are there once.
"""

import html
import re
from collections.abc import Iterable
from pathlib import Path

from dist.errors import DistError
from dist.sbom import Crate

NAME = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)
LINE = "=" * 100


def is_notice(path: Path) -> bool:
    """Whether a file of a crate is a licence or a notice, by its name or by its folder (reuse.software)."""
    return path.suffix != ".rs" and (NAME.match(path.name) is not None or path.parent.name == "LICENSES")


def texts_of(folder: Path) -> dict[str, str]:
    """The licences and notices of a crate by their paths within it, also those of what it contains."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): text_of(path) for path in files if is_notice(path.relative_to(folder))}


def text_of(path: Path) -> str:
    """A text with the ends of lines of Unix."""
    return "\n".join(line.rstrip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()).strip("\n")


def folder_of(crate: Crate, cargo_home: Path) -> Path:
    """Where cargo has unpacked a crate."""
    found = sorted((cargo_home / "registry" / "src").glob(f"*/{crate.name}-{crate.version}"))
    if not found:
        raise DistError(f"{crate.name} {crate.version} is not unpacked in {cargo_home}, where its licence would be: `cargo fetch` does it")
    return found[0]


def of_rust(sysroot: Path) -> str:
    """The notices of Rust's standard library and of what it contains, which come with every toolchain as HTML."""
    path = sysroot / "share" / "doc" / "rust" / "COPYRIGHT-library.html"
    if not path.is_file():
        raise DistError(f"there is no {path}, in which the toolchain has the notices of the standard library")
    lines = (line.strip() for line in html.unescape(re.sub(r"<[^>]*>", "", path.read_text(encoding="utf-8"))).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def document(name: str, crates: Iterable[Crate], texts: dict[Crate, dict[str, str]], toolchains: dict[str, str]) -> str:
    """The notices that go with the archive `name`: those of the crates, then those of what toolchains put in."""
    theirs = sorted(crate for crate in crates if not crate.is_ours)
    users: dict[str, list[str]] = {}
    for crate in theirs:
        for path, text in sorted(texts[crate].items()):
            users.setdefault(text, []).append(f"{crate.name} {crate.version} ({path})")
    for about, text in sorted(toolchains.items()):
        users.setdefault(text, []).append(about)
    parts = [
        f"Notices of third parties, for {name}\n\n"
        "Its programs contain the libraries below, each under the licence after it. The texts that come with them follow.\n\n"
    ]
    parts += [f"  {crate.name} {crate.version}: {crate.licence or 'see its text'}\n" for crate in theirs]
    silent = [crate for crate in theirs if not texts[crate]]
    if silent:
        parts.append("\nThese come without a text:\n")
        parts += [f"  {crate.name} {crate.version}: {crate.licence}, {crate.repository}\n" for crate in silent]
    parts += ["\n".join(["", LINE, *using, LINE, "", text, ""]) for text, using in users.items()]
    return "".join(parts)
