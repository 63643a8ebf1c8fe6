"""A preprocessor of mdBook: takes pages from elsewhere in the repository into the book, and mends links across its border.

A page of docs/ that is nothing but `{{#include ../PATH}}` stands for the file at PATH, which people also read where it
is. Its text is taken in with its links as seen from docs/. A link to such a file becomes a link to the page that stands
for it; a link to any other file outside docs/ becomes its text, because the book has no such page.

mdBook calls it as https://rust-lang.github.io/mdBook/for_developers/preprocessors.html says.
"""

import json
import os
import posixpath
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r"\s*\{\{#include \.\./(?P<path>[^}]+?)\s*\}\}\s*")
# `[text](target)`, where the text may hold code and the target has no space.
LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:`[^`]*`|[^\[\]`])*)\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~)")


def outside_pages(docs):
    """Which file of the repository each stub of `docs` stands for: paths from the root to paths from docs/."""
    pages = {}
    for page in sorted(docs.rglob("*.md")):
        if stub := INCLUDE.fullmatch(page.read_text()):
            pages[stub["path"]] = page.relative_to(docs).as_posix()
    return pages


def taken_in(text, path, docs, pages):
    """The text of the page at `path` (from docs/), with every link as the book can follow it."""
    base = posixpath.dirname(posixpath.join("docs", path))
    if stub := INCLUDE.fullmatch(text):
        text = (docs.parent / stub["path"]).read_text()
        base = posixpath.dirname(stub["path"])
    here = posixpath.dirname(posixpath.join("docs", path))
    return _outside_fences(text, lambda line: LINK.sub(lambda link: _mended(link, base, here, pages), line))


def _mended(link, base, here, pages):
    target, hash_sign, fragment = link["target"].partition("#")
    if not target or re.match(r"[a-z]+:", target):
        return link[0]
    # What the target is from the top of the repository.
    file = posixpath.normpath(posixpath.join(base, target))
    if file in pages:
        file = posixpath.join("docs", pages[file])
    if file != "docs" and not file.startswith("docs/"):
        return link["text"]
    return f"{link['image']}[{link['text']}]({posixpath.relpath(file, here)}{hash_sign}{fragment})"


def _outside_fences(text, change):
    """Changes the lines that are not in a fenced block."""
    lines, fenced = [], False
    for line in text.splitlines(keepends=True):
        if FENCE.match(line.lstrip()):
            fenced = not fenced
        lines.append(line if fenced else change(line))
    return "".join(lines)


def preprocess(context, book):
    """Changes every chapter of the book that mdBook hands over, in place."""
    docs = Path(context["root"]) / context["config"]["book"]["src"]
    pages = outside_pages(docs)

    def visit(items):
        for item in items:
            if isinstance(item, dict) and (chapter := item.get("Chapter")):
                if chapter.get("path"):
                    chapter["content"] = taken_in(chapter["content"], chapter["path"], docs, pages)
                visit(chapter["sub_items"])

    visit(book["items"])
    return book


def main():
    if sys.argv[1:2] == ["supports"]:
        return
    context, book = json.load(sys.stdin)
    json.dump(preprocess(context, book), sys.stdout)


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
