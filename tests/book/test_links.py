"""Every link between pages leads somewhere, on the pages as they stand in the repository and as they stand in the book.

`make book` checks the links of the built book; what it checks them with is tested here.
"""

import re
import sys
from pathlib import Path

import pytest

import pages
from pages import ROOT

sys.path.insert(0, str(ROOT / "tools" / "book"))

import build  # noqa: E402
import outside  # noqa: E402

DOCS = ROOT / "docs"
STUBS = {f"docs/{page}": file for file, page in outside.outside_pages(DOCS).items()}
LINKED = [page for page in pages.documents() if page not in STUBS]


def links(page):
    """Where a page leads within the repository: line and target."""
    for number, line in pages.outside_blocks(page):
        for link in outside.LINK.finditer(line):
            if not re.match(r"[a-z]+:", link["target"]):
                yield number, link["target"]


def places(page):
    """The headings of a page as the part of a link after `#`."""
    found, seen = set(), {}
    for _, line in pages.outside_blocks(page):
        if heading := re.match(r"#{1,6} (.*)", line):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).strip().lower()
            place = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            seen[place] = seen.get(place, -1) + 1
            found.add(f"{place}-{seen[place]}" if seen[place] else place)
    return found


@pytest.mark.parametrize("page", LINKED)
def test_every_link_of_a_page_leads_somewhere(page):
    wrong = []
    for number, target in links(page):
        file, _, place = target.partition("#")
        there = ((ROOT / page).parent / file).resolve() if file else ROOT / page
        name = str(there.relative_to(ROOT))
        if not there.exists() or (place and name.endswith(".md") and place not in places(STUBS.get(name, name))):
            wrong.append(f"{page}:{number}: {target}")
    assert wrong == []


def test_every_page_is_in_the_book_once():
    listed = [target for _, target in links("docs/SUMMARY.md")]
    files = [str(file.relative_to(DOCS)) for file in DOCS.rglob("*.md") if file.name != "SUMMARY.md"]
    assert sorted(listed) == sorted(files)


def test_a_link_that_leads_nowhere_is_found_in_the_built_book(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a.html").write_text('<h1 id="top"><a href="b/c.html#there">c</a><a href="https://x.example/y">y</a></h1>')
    (tmp_path / "b" / "c.html").write_text(
        '<p id="there"><a href="../a.html#top">a</a><a href="../a.html#gone">a</a><a href="gone.html">b</a><a href="#no">d</a>'
    )
    assert build.broken_links(tmp_path) == ["b/c.html: #no", "b/c.html: ../a.html#gone", "b/c.html: gone.html"]


def test_a_page_from_elsewhere_keeps_its_links(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "deploy").mkdir()
    (tmp_path / "docs" / "stub.md").write_text("{{#include ../deploy/README.md}}\n")
    (tmp_path / "deploy" / "README.md").write_text(
        "[a](../docs/a.md#x) [`b`](b.yaml) [top](#top) [out](https://x.example)\n```sh\n[c](d)\n```\n"
    )
    known = outside.outside_pages(tmp_path / "docs")
    assert known == {"deploy/README.md": "stub.md"}
    text = outside.taken_in((tmp_path / "docs" / "stub.md").read_text(), "stub.md", tmp_path / "docs", known)
    assert text == "[a](a.md#x) `b` [top](#top) [out](https://x.example)\n```sh\n[c](d)\n```\n"
    page = outside.taken_in("[d](../../deploy/README.md#e)", "sub/page.md", tmp_path / "docs", known)
    assert page == "[d](../stub.md#e)"


@pytest.mark.parametrize("page", LINKED)
def test_every_file_that_a_page_names_is_there(page):
    named = [
        (number, path)
        for number, line in pages.outside_blocks(page)
        for path in re.findall(r"`((?:crates|deploy|examples|tools|tests/(?:book|cerbos|e2e|edge|faults|oracle|support))/[\w./{},*-]*)`", line)
        if not path.endswith("node_modules")
    ]
    # `tests/it/{a,b}.rs` names two files, and `test_edge*.py` several.
    missing = [f"{page}:{number}: {path}" for number, path in named
               for one in spelled_out(path) if not list(ROOT.glob(one.rstrip("/")))]
    assert missing == []


def spelled_out(path):
    """A path with `{a,b}` as the paths that it stands for."""
    if braces := re.search(r"\{([^}]*)\}", path):
        return [one for part in braces[1].split(",") for one in spelled_out(path.replace(braces[0], part, 1))]
    return [path]
