"""Checks that a program runs where a release says it does: its architecture, and what it wants of the system.

What it wants of glibc is read from its symbols (LSB Core, "Symbol Versioning"): the newest version that any of them
names is the oldest glibc that the program starts with. The loader goes by segments, and a program need not have the
sections that are read here: one without them is refused.
"""

from dataclasses import dataclass
from typing import BinaryIO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class Expected:
    """What programs of an architecture have to be: the name in ELF, and the loader that the system must have."""

    machine: str
    loader: str


ARCHITECTURES = {
    "x86_64": Expected("EM_X86_64", "/lib64/ld-linux-x86-64.so.2"),
    "arm64": Expected("EM_AARCH64", "/lib/ld-linux-aarch64.so.1"),
}
# What every glibc from 2.34 brings; the libraries of older ones (libpthread, libdl, librt) are a part of libc there. Not
# libgcc_s, with which Rust otherwise unwinds: zig links its own, so a container needs no more than glibc.
LIBRARIES = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


# Where a program says which versions it needs, which symbols, and which of these in which version.
VERSIONED = (".gnu.version_r", ".dynsym", ".gnu.version")


def version_of(name: str) -> tuple[int, ...] | None:
    """`GLIBC_2.34` as `(2, 34)`; none for what is no version, such as `GLIBC_PRIVATE`."""
    parts = name.removeprefix("GLIBC_").split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else None


def wanted_versions(elf: ELFFile) -> dict[str, list[str]]:
    """The versions that a program wants of `LIBRARIES`, each with the symbols it wants in it."""
    needs, symbols, numbers = map(elf.get_section_by_name, VERSIONED)
    if needs is None or symbols is None or numbers is None:
        return {}
    names = {}
    for library, versions in needs.iter_versions():
        if library.name in LIBRARIES:
            names |= {version["vna_other"]: version.name for version in versions}
    wanted = {name: [] for name in names.values()}
    for symbol, number in zip(symbols.iter_symbols(), numbers.iter_symbols(), strict=True):
        # Words are for symbols without a version; the highest bit says that a definition is hidden.
        index = number["ndx"] & 0x7FFF if isinstance(number["ndx"], int) else None
        if index in names:
            wanted[names[index]].append(symbol.name)
    return wanted


def problems(stream: BinaryIO, architecture: str, ceiling: str) -> list[str]:
    """Everything that keeps a program from running with the glibc of `ceiling`, such as `2.34`, on an architecture."""
    try:
        elf = ELFFile(stream)
    except ELFError as error:
        return [f"it is no ELF file: {error}"]
    expected = ARCHITECTURES[architecture]
    found = []
    machine = elf.header["e_machine"]
    if machine != expected.machine:
        found.append(f"it is for {machine}, and {expected.machine} was expected")
    loaders = [segment.get_interp_name() for segment in elf.iter_segments("PT_INTERP")]
    if loaders != [expected.loader]:
        found.append(f"its loader is {', '.join(loaders) or 'none'}, and {expected.loader} was expected")
    tags = [tag for segment in elf.iter_segments("PT_DYNAMIC") for tag in segment.iter_tags()]
    lacking = [name for name in VERSIONED if elf.get_section_by_name(name) is None]
    if not tags or lacking:
        found.append(f"it does not say what it needs of glibc: it has no {', '.join(lacking) or 'PT_DYNAMIC'}")
    for tag in tags:
        if tag.entry.d_tag == "DT_NEEDED" and tag.needed not in LIBRARIES:
            found.append(f"it needs the library {tag.needed}, which not every system has")
        if tag.entry.d_tag in ("DT_RPATH", "DT_RUNPATH"):
            found.append("it looks for libraries in a folder of its own (RPATH or RUNPATH)")
    most = version_of(ceiling)
    for name, symbols in sorted(wanted_versions(elf).items()):
        version = version_of(name) if name.startswith("GLIBC_") else None
        if version is None or version > most:
            of = ", ".join(sorted(symbols)) or "no symbol, but by itself"
            found.append(f"it needs {name} ({of}), and GLIBC_{ceiling} is the newest allowed")
    return found


def newest_version(stream: BinaryIO) -> str:
    """The glibc that a program needs, such as `2.34`; `none` for one that needs no particular one."""
    names = wanted_versions(ELFFile(stream))
    versions = [version for version in map(version_of, names) if version is not None]
    return ".".join(map(str, max(versions))) if versions else "none"
