"""Puts a release together: archives of what was compiled, their bills of materials, and checksums."""

import datetime
import io
import platform
import re
import shutil
from dataclasses import dataclass
from importlib.metadata import version as version_of_package
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import ziglang

from dist import archive, elf, notices, sbom
from dist.compile import BINARIES, GLIBC, PACKAGES, TRIPLES, WASM, Workspace, output
from dist.errors import DistError
from dist.settings import cargo_home
from dist.sums import digest, write_sums

# The package of the edge function with each set of languages: the end of its name, what `portcullis package edge` is
# told, and the features of the module.
EDGE = {
    "edge": ([], ()),
    # Both are over 1 MB, which CloudFront may refuse: docs/cloudfront.md.
    "edge-rego": (["--with", "rego", "--allow-large"], ("rego",)),
    "edge-rego-cedar": (["--with", "cedar", "--allow-large"], ("rego", "cedar")),
}
# The Lambda authorizers: the program in each, and the package of cargo that it is.
AUTHORIZERS = {
    "authorizer": ("bootstrap", "portcullis-authorizer"),
    "authorizer-rego": ("bootstrap-rego", "portcullis-authorizer-rego"),
}
# What goes into the archive of the command, beside the programs and the notices of third parties.
TEXTS = ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"]
NOTICES = "THIRD-PARTY-NOTICES.txt"


@dataclass(frozen=True)
class Archive:
    """A file of a release: the programs in it by the packages of cargo, its architecture, if it has one, and the program
    of this project that wrote a part of it, if one did."""

    path: Path
    programs: tuple[str, ...]
    selections: tuple[sbom.Selection, ...]
    architecture: str | None
    tools: tuple[sbom.Selection, ...] = ()


def put_together(workspace: Workspace, architectures: list[str], out: Path) -> None:
    """Writes a release into `out`, which is replaced."""
    command = workspace.binary(native(architectures), "portcullis")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    archives = [one for architecture in architectures for one in of_architecture(workspace, architecture, command, out)]
    archives += edge_packages(command, out)
    for one in archives:
        check_programs(one)
        # Of the command they are within its archive.
        if one.path.suffix == ".zip":
            one.path.with_name(f"{one.path.name}.{NOTICES}").write_text(notices_of(workspace, one), encoding="utf-8")
    write_sboms(workspace, archives)
    write_sums(out)


def native(architectures: list[str]) -> str:
    """The architecture of this machine: the packages are made with the command that was compiled for it."""
    names = {"x86_64": "x86_64", "aarch64": "arm64"}
    machine = platform.machine()
    here = names.get(machine)
    if here not in architectures:
        raise DistError(f"ARCHS is {' '.join(architectures)}, and has to have this machine's, {here or machine}")
    return here


def of_architecture(workspace: Workspace, architecture: str, command: Path, out: Path) -> list[Archive]:
    """The Lambda authorizers and the command for an architecture."""
    triple = TRIPLES[architecture]
    # cargo resolves the packages together, as it compiles them.
    together = sbom.Selection(tuple(PACKAGES), triple)
    made = []
    for name, (binary, crate) in AUTHORIZERS.items():
        path = out / f"{name}-{architecture}.zip"
        executable = workspace.binary(architecture, binary)
        package(command, path, ["authorizer", "--executable", str(executable)])
        made.append(Archive(path, (crate,), (together,), architecture))
    folder = f"portcullis-{version(workspace)}-{triple}"
    path = out / f"{folder}.tar.gz"
    files = {name: (workspace.binary(architecture, name).read_bytes(), 0o755) for name in BINARIES}
    files |= {name: ((workspace.root / name).read_bytes(), 0o644) for name in TEXTS}
    # The modules of the edge are in the command.
    edge = sbom.Selection(("portcullis-edge",), WASM, EDGE["edge-rego-cedar"][1])
    whole = Archive(path, (*PACKAGES, "portcullis-edge"), (together, edge), architecture, edge_tools())
    files[NOTICES] = notices_of(workspace, whole).encode(), 0o644
    archive.write_tar(path, folder, files, workspace.epoch)
    return [*made, whole]


def edge_packages(command: Path, out: Path) -> list[Archive]:
    """The packages of the edge function, with a config.js to be filled in."""
    made = []
    for name, (arguments, features) in EDGE.items():
        path = out / f"{name}.zip"
        package(command, path, ["edge", *arguments])
        selections = (sbom.Selection(("portcullis-edge",), WASM, features),)
        made.append(Archive(path, ("portcullis-edge",), selections, None, edge_tools()))
    return made


def edge_tools() -> tuple[sbom.Selection, ...]:
    """What writes the JavaScript between Node.js and the edge module: wasm-bindgen as a library, run on this machine."""
    return (sbom.Selection(("portcullis-edge-module",), TRIPLES[native(list(TRIPLES))]),)


def package(command: Path, path: Path, arguments: list[str]) -> None:
    """Has `portcullis package` write a zip."""
    kind, *rest = arguments
    output([str(command), "package", kind, "-o", str(path), *rest], path.parent)
    # It leaves packages to their owner alone, as settings may be secret; these have none.
    path.chmod(0o644)


def version(workspace: Workspace) -> str:
    """The version of the workspace."""
    found = re.search(r'^version = "(.+)"$', (workspace.root / "Cargo.toml").read_text(), re.MULTILINE)
    if found is None:
        raise DistError("Cargo.toml names no version")
    return found[1]


def check_programs(one: Archive) -> None:
    """Refuses an archive with a program that does not run where the release says."""
    found = list(archive.programs(one.path))
    if one.architecture is None:
        if found:
            raise DistError(f"{one.path.name} has a program, and should have none: {found[0][0]}")
        return
    if not found:
        raise DistError(f"{one.path.name} has no program")
    for name, data in found:
        wrong = elf.problems(io.BytesIO(data), one.architecture, GLIBC)
        if wrong:
            lines = "\n".join(f"  {line}" for line in wrong)
            raise DistError(f"{one.path.name}: {name} cannot be released:\n{lines}")
        needed = elf.newest_version(io.BytesIO(data))
        print(f"{one.path.name}: {name} is for {one.architecture} and needs glibc {needed}, {len(data):,} bytes", flush=True)


def write_sboms(workspace: Workspace, archives: list[Archive]) -> None:
    """Writes the bill of materials of each archive beside it."""
    sums = sbom.checksums(workspace.root)
    moment = datetime.datetime.fromtimestamp(workspace.epoch, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    graphs = {}
    for one in archives:
        key = one.selections, one.tools
        if key not in graphs:
            linked = sbom.graph_of(workspace.root, one.selections, "normal,no-proc-macro")
            graphs[key] = linked, sbom.graph_of(workspace.root, one.selections + one.tools, "normal,build")
        linked, built = graphs[key]
        subject = {
            "type": "application",
            "bom-ref": one.path.name,
            "name": one.path.name,
            "version": version(workspace),
            "hashes": [{"alg": "SHA-256", "content": digest(one.path)}],
            "licenses": [{"expression": "Apache-2.0 OR MIT"}],
        }
        tools = tuple(name for selection in one.tools for name in selection.packages)
        bom = sbom.document(subject, linked, built, one.programs, runtimes(workspace, one), sums, moment, tools)
        path = one.path.with_name(f"{one.path.name}.cdx.json")
        text = sbom.text_of(bom)
        if (error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
            raise DistError(f"{path.name} is not what the schema of CycloneDX asks for: {error}")
        path.write_text(text)
        scopes = [component["scope"] for component in bom["components"]]
        print(f"{path.name}: {scopes.count('required')} components, {scopes.count('excluded')} more for building", flush=True)


def notices_of(workspace: Workspace, one: Archive) -> str:
    """The notices of all that third parties have in the programs of an archive."""
    crates = sbom.graph_of(workspace.root, one.selections, "normal,no-proc-macro").below(one.programs)
    texts = {crate: notices.texts_of(notices.folder_of(crate, cargo_home())) for crate in crates if not crate.is_ours}
    sysroot = Path(output(["rustc", "--print", "sysroot"], workspace.root).strip())
    toolchains = {"Rust's standard library": notices.of_rust(sysroot)}
    if one.architecture is not None:
        zig = Path(ziglang.__file__).parent
        toolchains["compiler-rt of zig"] = notices.text_of(zig / "LICENSE")
        toolchains["libunwind of zig"] = notices.text_of(zig / "lib" / "libunwind" / "LICENSE.TXT")
    return notices.document(one.path.name, crates, texts, toolchains)


def runtimes(workspace: Workspace, one: Archive) -> list[dict]:
    """What the toolchains put into the programs of an archive, beside crates."""
    rust = output(["rustc", "--version"], workspace.root).split()[1]
    found = [sbom.runtime("rust-std", rust, "MIT OR Apache-2.0", "Rust's standard library and what it contains")]
    if one.architecture is not None:
        zig = version_of_package("ziglang")
        about = "LLVM's libunwind and compiler-rt, as zig brings them"
        found.append(sbom.runtime("zig-runtime", zig, "Apache-2.0 WITH LLVM-exception", about))
    return found
