"""Looks for settings of cargo and rustup beside those of the checkout, which would change what is compiled."""

import os
import tomllib
from pathlib import Path

from dist.errors import DistError

# How the network is reached and where crates come from: Cargo.lock has the checksum of each, so it is the same crate.
HARMLESS = {"http", "net", "registries", "registry", "source"}
# The one without an ending is the older name; cargo prefers it where there are both.
NAMES = ("config", "config.toml")


def cargo_home() -> Path:
    """The home of cargo."""
    return Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")


def without_override() -> dict[str, str]:
    """The variables of this process without the one that overrides rust-toolchain.toml."""
    return {name: value for name, value in os.environ.items() if name != "RUSTUP_TOOLCHAIN"}


def files_of_cargo(root: Path) -> list[Path]:
    """The files that cargo reads for a checkout, except for the one that is a part of it (Cargo Book, "Hierarchical
    structure")."""
    folders = [folder / ".cargo" for folder in (root, *root.parents)] + [cargo_home()]
    candidates = (folder / name for folder in folders for name in NAMES)
    found = dict.fromkeys(path.resolve() for path in candidates if path.is_file())
    return [path for path in found if path != (root / ".cargo" / "config.toml").resolve()]


def need_no_settings(root: Path) -> None:
    """Refuses settings that may change what is compiled."""
    for path in files_of_cargo(root):
        try:
            tables = tomllib.loads(path.read_text()).keys() - HARMLESS
        except ValueError as error:
            raise DistError(f"{path} cannot be read: {error}") from error
        if tables:
            raise DistError(
                f"{path} has {', '.join(f'[{name}]' for name in sorted(tables))}, which may change what is compiled, and"
                f" cargo would read it: take it out, or set CARGO_HOME to another folder if it is in the home of cargo."
                f" Only {', '.join(f'[{name}]' for name in sorted(HARMLESS))} may be there"
            )
