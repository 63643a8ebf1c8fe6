"""Compiles what a release consists of, so that the same commit gives the same bytes wherever it is compiled.

zig stands in for the C compiler and the linker, since it links against the symbols of an older glibc and for another
architecture. No path of this machine and none of its settings reaches a compiler.
"""

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from dist.errors import DistError
from dist.settings import cargo_home, without_override

# What AWS calls an architecture, and what Rust does.
TRIPLES = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}
WASM = "wasm32-unknown-unknown"
# The glibc of Amazon Linux 2023, and so of Lambda's provided.al2023 (AL2023 release notes, "glibc").
GLIBC = "2.34"
# Compiled in one run, as `make build` does: the features of a dependency are then those that any of them asks for.
PACKAGES = ["portcullis-cli", "portcullis-authorizer", "portcullis-authorizer-rego"]
BINARIES = ["portcullis", "bootstrap", "bootstrap-rego"]
# The time that C code gets where it asks when it was compiled, which mimalloc does: 1980, as in zips. Not that of the
# commit, because nothing would compile it again for the next one.
COMPILED = 315_532_800
# All that the compilers get of the environment: where programs and caches are, and how the network is reached. Not
# RUSTUP_TOOLCHAIN, which overrides rust-toolchain.toml.
KEPT = {
    "PATH", "HOME", "TMPDIR", "CARGO_HOME", "CARGO_BUILD_JOBS", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "RUSTUP_HOME", "RUSTUP_DIST_SERVER", "RUSTUP_UPDATE_ROOT",
}
KEPT_PREFIXES = ("CARGO_HTTP_", "CARGO_NET_")


@dataclass(frozen=True)
class Workspace:
    """A checkout, where it is compiled to, and the time that counts as now, in seconds since 1970."""

    root: Path
    target: Path
    epoch: int

    def binary(self, architecture: str, name: str) -> Path:
        """Where a program is, once it is compiled."""
        return self.target / TRIPLES[architecture] / "release" / name

    def edge_module(self, variant: str) -> Path:
        """The folder of a variant of the edge module, once it is compiled."""
        return self.target / "edge" / variant


def commit_time(root: Path) -> int:
    """The time of the last commit, or what SOURCE_DATE_EPOCH says (reproducible-builds.org/specs/source-date-epoch)."""
    said = os.environ.get("SOURCE_DATE_EPOCH")
    if said:
        if not said.isdecimal():
            raise DistError(f"SOURCE_DATE_EPOCH has to be seconds since 1970, and is {said!r}")
        return int(said)
    result = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=root, capture_output=True, text=True, check=False)
    if result.returncode != 0 or not result.stdout.strip():
        raise DistError("the time of the release is that of the last commit, and this is no checkout of git: set SOURCE_DATE_EPOCH")
    return int(result.stdout)


def output(command: list[str], root: Path) -> str:
    """What a command prints."""
    result = subprocess.run(command, cwd=root, env=without_override(), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise DistError(f"`{' '.join(command)}` failed:\n{result.stderr.strip()}")
    return result.stdout


def need_rust(root: Path) -> None:
    """Makes sure that it is the Rust of rust-toolchain.toml, which `rustup override` or one without rustup would not be."""
    wanted = tomllib.loads((root / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    found = output(["rustc", "--version"], root).split()[1]
    if found != wanted:
        raise DistError(f"rust-toolchain.toml asks for Rust {wanted}, and rustc is {found}: `rustup show` says why")


def need_targets(root: Path, architectures: list[str]) -> None:
    """Makes sure that Rust can compile for all that is wanted: rustup installs what rust-toolchain.toml lists."""
    for triple in [WASM, *(TRIPLES[architecture] for architecture in architectures)]:
        library = Path(output(["rustc", "--print", "target-libdir", "--target", triple], root).strip())
        if any(library.glob("libstd-*")):
            continue
        command = ["rustup", "target", "add", triple]
        added = subprocess.run(command, cwd=root, env=without_override(), capture_output=True, text=True, check=False)
        if added.returncode != 0:
            others = " ".join(name for name in architectures if TRIPLES[name] != triple)
            hint = f", or make less with `make dist ARCHS={others}`" if others and triple != WASM else ""
            raise DistError(
                f"Rust's standard library for {triple} is not installed, and rustup could not get it; install it with"
                f" `rustup target add {triple}`{hint}\n{added.stderr.strip()}"
            )


def remapped(root: Path, target: Path) -> list[tuple[str, str]]:
    """Paths of this machine and what stands in their place, the narrower ones last."""
    sysroot = output(["rustc", "--print", "sysroot"], root).strip()
    version = output(["rustc", "-vV"], root)
    commit = next(line.split()[1] for line in version.splitlines() if line.startswith("commit-hash"))
    return [
        (str(root), "/portcullis"),
        (str(target), "/target"),
        # zig, with the headers of glibc.
        (sys.prefix, "/tools"),
        (str(cargo_home() / "registry" / "src"), "/cargo"),
        (f"{sysroot}/lib/rustlib/src/rust", f"/rustc/{commit}"),
    ]


def environment(workspace: Workspace) -> dict[str, str]:
    """The variables that cargo and what it calls see."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or name.startswith(KEPT_PREFIXES) or name.lower().endswith("_proxy")
    }
    pairs = remapped(workspace.root, workspace.target)
    rust = " ".join(f"--remap-path-prefix={path}={stand_in}" for path, stand_in in pairs)
    maps = " ".join(f"-ffile-prefix-map={path}={stand_in}" for path, stand_in in pairs)
    # zig takes asking for the time for an error; here the answer is always the same.
    c = f"{maps} -Wno-date-time"
    if any(" " in path for path, _ in pairs):
        raise DistError(f"flags are separated by spaces, so no path may have one: {', '.join(path for path, _ in pairs)}")
    # aws-lc takes its flags from a variable of its own, instead of the common one, and .cargo/config.toml has some.
    settings = tomllib.loads((workspace.root / ".cargo" / "config.toml").read_text())["env"]
    aws_lc = f"{settings['AWS_LC_SYS_CFLAGS']} {c}"
    # For each target, so that what runs while compiling keeps its paths, and need not be compiled twice.
    flags = {f"CARGO_TARGET_{triple.upper().replace('-', '_')}_RUSTFLAGS": rust for triple in [WASM, *TRIPLES.values()]}
    # By the names of the targets: those without one (`TARGET_CFLAGS`) do not hold where the target is the machine that builds.
    c_flags = {f"CFLAGS_{triple.replace('-', '_')}": c for triple in TRIPLES.values()}
    return {
        **kept,
        **flags,
        **c_flags,
        # cargo-zigbuild and zig come from where this Python does.
        "PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', '')}",
        "AWS_LC_SYS_CFLAGS": aws_lc,
        "CARGO_INCREMENTAL": "0",
        "CARGO_TARGET_DIR": str(workspace.target),
        "CARGO_ZIGBUILD_CACHE_DIR": str(workspace.target / "zigbuild"),
        "ZIG_GLOBAL_CACHE_DIR": str(workspace.target / "zig"),
        "LC_ALL": "C",
        "SOURCE_DATE_EPOCH": str(COMPILED),
        "TZ": "UTC",
        "ZERO_AR_DATE": "1",
    }


def run(command: list[str], workspace: Workspace) -> None:
    """Runs a step of the build and shows what it prints."""
    print(f"=== {' '.join(command)}", flush=True)
    if subprocess.run(command, cwd=workspace.root, env=environment(workspace), check=False).returncode != 0:
        raise DistError(f"`{' '.join(command)}` failed")


def compile_edge(workspace: Workspace) -> None:
    """Compiles the edge modules. They become a part of `portcullis`, so they come first."""
    run(["cargo", "run", "--locked", "--quiet", "-p", "portcullis-edge-module"], workspace)


def compile_binaries(workspace: Workspace, architecture: str) -> None:
    """Compiles the three programs for an architecture."""
    packages = [part for package in PACKAGES for part in ("-p", package)]
    target = f"{TRIPLES[architecture]}.{GLIBC}"
    run(["cargo", "zigbuild", "--locked", "--release", "--bins", *packages, "--target", target], workspace)
