"""The bill of materials of an archive (CycloneDX 1.6, JSON): every crate that is in its programs, and those that took
part in building them, with scope `excluded`.

What is in a program is asked of `cargo tree`, which selects packages, features and target exactly as `cargo build`
does. Tools that start from `cargo metadata` (cargo-cyclonedx, cargo-sbom) see the features of the whole workspace,
and so list what only tests and benchmarks bring.
"""

import json
import re
import tomllib
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from dist.compile import output
from dist.errors import DistError

# `2 serde_json v1.0.154|MIT OR Apache-2.0|https://...`; a crate of the workspace has its path, `(*)` says that what is
# below was shown before.
LINE = re.compile(r"(?P<depth>\d+) (?P<name>\S+) v(?P<version>\S+)(?P<path> \(.*?\))?\|(?P<licence>[^|]*)\|(?P<repository>\S*)( \(\*\))?")
SPECIFICATION = "1.6"
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


@dataclass(frozen=True)
class Selection:
    """What `cargo build` is told for some of the programs of an archive."""

    packages: tuple[str, ...]
    target: str
    features: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Crate:
    """A package of cargo."""

    name: str
    version: str
    licence: str
    repository: str
    is_ours: bool

    @property
    def reference(self) -> str:
        """The name of the crate within a bill of materials, a package URL: `+` would be read as a space there."""
        return f"pkg:cargo/{self.name}@{quote(self.version, safe='.-_~:')}"


@dataclass
class Graph:
    """Crates, and for each the crates it depends on."""

    edges: dict[Crate, set[Crate]] = field(default_factory=dict)

    def below(self, roots: tuple[str, ...]) -> set[Crate]:
        """The crates of these names, and all that they depend on."""
        waiting = [crate for crate in self.edges if crate.name in roots]
        seen = set(waiting)
        while waiting:
            new = self.edges[waiting.pop()] - seen
            seen |= new
            waiting.extend(new)
        return seen


def parse(tree: str) -> Graph:
    """Reads what `cargo tree --prefix depth` prints."""
    graph = Graph()
    way: list[Crate] = []
    for line in filter(None, tree.splitlines()):
        # Where the path of a crate of the workspace would be, a macro has a word.
        found = LINE.fullmatch(line.replace(" (proc-macro)", ""))
        if found is None:
            raise DistError(f"`cargo tree` printed a line that was not expected: {line}")
        crate = Crate(
            found["name"], found["version"], licence(found["licence"]), found["repository"], found["path"] is not None
        )
        graph.edges.setdefault(crate, set())
        del way[int(found["depth"]):]
        if way:
            graph.edges[way[-1]].add(crate)
        way.append(crate)
    return graph


def licence(text: str) -> str:
    """A licence as an SPDX expression: older crates write `/` for `OR`."""
    return re.sub(r"\s*/\s*", " OR ", text)


def graph_of(root: Path, selections: tuple[Selection, ...], kinds: str) -> Graph:
    """The crates that are built for the selections, by the kinds of dependencies that `cargo tree --edges` takes."""
    whole = Graph()
    for selection in selections:
        packages = [part for package in selection.packages for part in ("-p", package)]
        tree = output(
            ["cargo", "tree", "--locked", *packages, "--target", selection.target, "-e", kinds, "--prefix", "depth",
             "--features", ",".join(selection.features), "--format", " {p}|{l}|{r}"],
            root,
        )
        for crate, needs in parse(tree).edges.items():
            whole.edges.setdefault(crate, set()).update(needs)
    return whole


def checksums(root: Path) -> dict[tuple[str, str], str]:
    """The SHA-256 of the archive of each crate of crates.io, from the lock file."""
    packages = tomllib.loads((root / "Cargo.lock").read_text())["package"]
    return {(one["name"], one["version"]): one["checksum"] for one in packages if one.get("source") == CRATES_IO}


def component(crate: Crate, sums: dict[tuple[str, str], str], scope: str) -> dict:
    """A crate as a component."""
    made = {"type": "library", "bom-ref": crate.reference, "name": crate.name, "version": crate.version, "scope": scope}
    if crate.licence:
        made["licenses"] = [{"expression": crate.licence}]
    if not crate.is_ours:
        made["purl"] = crate.reference
        made["hashes"] = [{"alg": "SHA-256", "content": sums[crate.name, crate.version]}]
    if crate.repository:
        made["externalReferences"] = [{"type": "vcs", "url": crate.repository}]
    return made


def runtime(name: str, version: str, licences: str, about: str) -> dict:
    """What a toolchain links into every program."""
    reference = f"pkg:generic/{name}@{version}"
    return {
        "type": "library", "bom-ref": reference, "name": name, "version": version, "scope": "required", "purl": reference,
        "licenses": [{"expression": licences}], "description": about,
    }


def document(
    subject: dict,
    linked: Graph,
    built: Graph,
    roots: tuple[str, ...],
    runtimes: list[dict],
    sums: dict[tuple[str, str], str],
    moment: str,
    tools: tuple[str, ...] = (),
) -> dict:
    """The bill of materials of `subject`, whose programs are `roots`. `linked` has what is in them, `built` also what
    takes part in building them, and `tools` are programs of this project that do."""
    inside = linked.below(roots)
    beside = built.below((*roots, *tools)) - inside
    components = [component(crate, sums, "required") for crate in sorted(inside)]
    components += [component(crate, sums, "excluded") for crate in sorted(beside)]
    dependencies = []
    for crate in sorted(inside | beside):
        needs = linked.edges.get(crate, set()) | built.edges.get(crate, set())
        dependencies.append({"ref": crate.reference, "dependsOn": sorted(one.reference for one in needs)})
    starts = sorted(crate.reference for crate in inside if crate.name in roots)
    starts += [one["bom-ref"] for one in runtimes]
    body = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
        "metadata": {"timestamp": moment, "lifecycles": [{"phase": "build"}], "component": subject},
        "components": components + runtimes,
        "dependencies": [{"ref": subject["bom-ref"], "dependsOn": starts}, *dependencies],
    }
    # The same for the same content, as all of a release is.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {"serialNumber": f"urn:uuid:{serial}", **body}


def text_of(bom: dict) -> str:
    """A bill of materials as it is in a file."""
    return json.dumps(bom, indent=1, sort_keys=True) + "\n"
