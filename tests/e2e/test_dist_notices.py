"""Do the notices that go with a release have the texts of all that is in its programs (`tools/dist/notices.py`)?"""

from pathlib import Path

import pytest

from dist import compile, errors, notices, sbom, settings

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = sbom.Crate("ours", "0.1.0", "Apache-2.0 OR MIT", "", True)


def crate(name, licence="MIT"):
    return sbom.Crate(name, "1.0.0", licence, f"https://example.com/{name}", False)


@pytest.fixture
def home(tmp_path):
    """A home of cargo with one crate, which contains what another one wrote."""
    folder = tmp_path / "registry" / "src" / "index" / "json-1.0.0"
    files = {
        "LICENSE-MIT": "Copyright\r\n\r\nmay be used  \r\n", "NOTICE": "notice\n", "README.md": "read me", "src/license.rs": "mod a;",
        "LICENSES/BSD.txt": "bsd", "c/fiat/licence.md": "fiat", "COPYING": "\u00e9t\u00e9",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1"))
    return tmp_path


def test_the_texts_of_a_crate_are_found_wherever_they_are_in_it(home):
    assert notices.texts_of(notices.folder_of(crate("json"), home)) == {
        "LICENSE-MIT": "Copyright\n\nmay be used", "NOTICE": "notice", "LICENSES/BSD.txt": "bsd", "c/fiat/licence.md": "fiat",
        "COPYING": "\ufffdt\ufffd",
    }


def test_a_crate_that_is_not_there_is_an_error(home):
    with pytest.raises(errors.DistError, match="memory 1.0.0 is not unpacked"):
        notices.folder_of(crate("memory"), home)


def test_a_text_is_there_once_with_all_whose_it_is():
    crates = [crate("a"), crate("b", "ISC"), crate("c", "MIT OR Apache-2.0")]
    texts = {crates[0]: {"LICENSE": "mit"}, crates[1]: {}, crates[2]: {"LICENSE-MIT": "mit", "LICENSE-APACHE": "apache"}}
    written = notices.document("ours.zip", {OURS, *crates}, texts, {"toolchain": "mit"})
    line = notices.LINE
    assert written == f"""\
Notices of third parties, for ours.zip

Its programs contain the libraries below, each under the licence after it. The texts that come with them follow.

  a 1.0.0: MIT
  b 1.0.0: ISC
  c 1.0.0: MIT OR Apache-2.0

These come without a text:
  b 1.0.0: ISC, https://example.com/b

{line}
a 1.0.0 (LICENSE)
c 1.0.0 (LICENSE-MIT)
toolchain
{line}

mit

{line}
c 1.0.0 (LICENSE-APACHE)
{line}

apache
"""
    assert written == notices.document("ours.zip", [*reversed(crates), OURS], texts, {"toolchain": "mit"})


def test_the_authorizer_goes_with_the_notices_of_its_c_code():
    selection = sbom.Selection(tuple(compile.PACKAGES), compile.TRIPLES["x86_64"])
    crates = sbom.graph_of(REPOSITORY, (selection,), "normal,no-proc-macro").below(("portcullis-authorizer",))
    home = settings.cargo_home()
    texts = {one: notices.texts_of(notices.folder_of(one, home)) for one in crates if not one.is_ours}
    written = notices.document("authorizer.zip", crates, texts, {})
    assert "(aws-lc/third_party/fiat/LICENSE)" in written
    # Licences that ask for nothing else than that their text goes along. Those without one are Apache-2.0, at choice or not.
    silent = {one.name for one in texts if not texts[one]}
    assert not [one for one in texts if one.name in silent and "Apache-2.0" not in one.licence]


def test_the_standard_library_has_its_notices_in_the_toolchain(tmp_path):
    sysroot = Path(compile.output(["rustc", "--print", "sysroot"], REPOSITORY).strip())
    text = notices.of_rust(sysroot)
    assert text.startswith("Copyright notices for The Rust Standard Library") and "hashbrown" in text
    assert "<p>" not in text and "\n\n\n" not in text
    with pytest.raises(errors.DistError, match="COPYRIGHT-library.html"):
        notices.of_rust(tmp_path)
