"""Does the bill of materials of a release list what is in its programs, and nothing else (`tools/dist/sbom.py`)?"""

from pathlib import Path

import pytest

from dist import compile, errors, sbom

REPOSITORY = Path(__file__).resolve().parents[2]
LINKED = """\
0 ours v0.1.0 (/somewhere/ours)|Apache-2.0 OR MIT|
1 json v1.0.0|MIT/Apache-2.0|https://example.com/json
2 memory v2.0.0+1.2|Zlib|
1 memory v2.0.0+1.2|Zlib|
0 theirs v0.1.0 (/somewhere/theirs)|Apache-2.0 OR MIT|
1 json v1.0.0|MIT/Apache-2.0|https://example.com/json (*)
1 database v3.0.0|MIT|
"""
BUILT = LINKED + """\

0 ours v0.1.0 (/somewhere/ours)|Apache-2.0 OR MIT| (*)
1 derive v1.0.0 (proc-macro)|MIT OR Apache-2.0|https://example.com/derive
2 syntax v1.0.0|MIT OR Apache-2.0|
"""
SUMS = {(name, version): "ab" * 32 for name, version in [
    ("json", "1.0.0"), ("memory", "2.0.0+1.2"), ("derive", "1.0.0"), ("syntax", "1.0.0"), ("database", "3.0.0"),
]}
SUBJECT = {"type": "application", "bom-ref": "ours.zip", "name": "ours.zip", "version": "0.1.0"}


def document(roots=("ours",), built=BUILT, tools=()):
    runtimes = [sbom.runtime("rust-std", "1.0.0", "MIT OR Apache-2.0", "the library")]
    return sbom.document(SUBJECT, sbom.parse(LINKED), sbom.parse(built), roots, runtimes, SUMS, "2023-11-14T22:13:20Z", tools)


def scopes(bom):
    return {component["name"]: component["scope"] for component in bom["components"]}


def test_what_is_linked_is_required_and_what_builds_is_not():
    assert scopes(document()) == {
        "ours": "required", "json": "required", "memory": "required", "rust-std": "required",
        "derive": "excluded", "syntax": "excluded",
    }


def test_what_wrote_a_part_of_an_archive_is_beside_its_programs():
    built = BUILT + """\

0 writer v0.1.0 (/somewhere/writer)|Apache-2.0 OR MIT|
1 json v1.0.0|MIT/Apache-2.0|https://example.com/json (*)
1 database v3.0.0|MIT|
"""
    assert scopes(document(built=built, tools=("writer",))) == scopes(document()) | {"writer": "excluded", "database": "excluded"}


def test_what_was_shown_before_counts_for_every_program():
    assert scopes(document(roots=("theirs",))) == {
        "theirs": "required", "json": "required", "memory": "required", "database": "required", "rust-std": "required",
    }


def test_a_component_says_where_it_is_from():
    by_name = {component["name"]: component for component in document()["components"]}
    assert by_name["json"] == {
        "type": "library", "bom-ref": "pkg:cargo/json@1.0.0", "purl": "pkg:cargo/json@1.0.0",
        "name": "json", "version": "1.0.0", "scope": "required",
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
        "hashes": [{"alg": "SHA-256", "content": "ab" * 32}],
        "externalReferences": [{"type": "vcs", "url": "https://example.com/json"}],
    }
    # A plus sign is a space in a URL (package-url, "Rules for each component": percent-encoded).
    assert by_name["memory"]["purl"] == by_name["memory"]["bom-ref"] == "pkg:cargo/memory@2.0.0%2B1.2"
    assert by_name["memory"]["version"] == "2.0.0+1.2"
    # A crate of the workspace is in no registry.
    assert "purl" not in by_name["ours"] and "hashes" not in by_name["ours"]


def test_every_dependency_is_a_component():
    bom = document()
    known = {component["bom-ref"] for component in bom["components"]} | {"ours.zip"}
    named = {entry["ref"] for entry in bom["dependencies"]}
    named |= {reference for entry in bom["dependencies"] for reference in entry["dependsOn"]}
    assert named <= known
    assert bom["dependencies"][0] == {"ref": "ours.zip", "dependsOn": ["pkg:cargo/ours@0.1.0", "pkg:generic/rust-std@1.0.0"]}


def test_the_same_content_has_the_same_serial_number():
    assert document() == document()
    assert document()["serialNumber"] != document(roots=("theirs",))["serialNumber"]


def test_a_line_that_was_not_expected_is_an_error():
    with pytest.raises(errors.DistError, match="was not expected"):
        sbom.parse("0 ours\n")


def test_the_package_of_the_edge_names_what_wrote_its_javascript():
    selections = (sbom.Selection(("portcullis-edge",), compile.WASM),)
    tool = sbom.Selection(("portcullis-edge-module",), compile.TRIPLES["x86_64"])
    linked = sbom.graph_of(REPOSITORY, selections, "normal,no-proc-macro")
    built = sbom.graph_of(REPOSITORY, (*selections, tool), "normal,build")
    sums = sbom.checksums(REPOSITORY)
    found = scopes(
        sbom.document(SUBJECT, linked, built, ("portcullis-edge",), [], sums, "2023-11-14T22:13:20Z", tool.packages)
    )
    assert found["wasm-bindgen"] == "required"
    assert found["portcullis-edge-module"] == found["wasm-bindgen-cli-support"] == found["walrus"] == "excluded"


def test_the_authorizer_has_no_database_and_no_test_library():
    selection = sbom.Selection(tuple(compile.PACKAGES), compile.TRIPLES["x86_64"])
    graph = sbom.graph_of(REPOSITORY, (selection,), "normal,no-proc-macro")
    authorizer = {crate.name for crate in graph.below(("portcullis-authorizer",))}
    everything = {crate.name for crate in graph.below(tuple(compile.PACKAGES))}
    assert {"portcullis-pdp", "aws-lc-sys", "tokio"} <= authorizer < everything
    assert {"libsqlite3-sys", "clap", "regorus"} & authorizer == set()
    assert {"libsqlite3-sys", "clap", "regorus"} <= everything
    assert {"insta", "proptest", "serde_derive", "portcullis-bench"} & everything == set()
