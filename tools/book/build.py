"""Builds the book with mdBook and fails on whatever is not right: a warning, or a link that leads nowhere.

    python3 tools/book/build.py [MDBOOK]     MDBOOK is the program, .tools/cargo/bin/mdbook unless said otherwise
"""

import html.parser
import re
import subprocess
import sys
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MDBOOK = ROOT / ".tools" / "cargo" / "bin" / "mdbook"
BOOK = ROOT / "target" / "book"


def build(mdbook):
    """Builds into target/book, and answers with every line in which mdBook complains."""
    done = subprocess.run([mdbook, "build", ROOT], capture_output=True, text=True)
    output = done.stdout + done.stderr
    complaints = [line for line in output.splitlines() if re.search(r"\b(WARN|ERROR)\b", line)]
    if done.returncode != 0 and not complaints:
        complaints = [f"mdbook ended with status {done.returncode}", *output.splitlines()]
    return complaints


class Page(html.parser.HTMLParser):
    """Where a page of the book leads, and which places on it can be led to."""

    def __init__(self, text):
        super().__init__()
        self.places, self.targets = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name") and value:
                self.places.add(value)
            if name in ("href", "src") and value:
                self.targets.add(value)


def broken_links(book):
    """Every link of the built book that leads to no file or to no place on its page, as `page: target`."""
    pages = {path: Page(path.read_text()) for path in sorted(book.rglob("*.html"))}
    broken = []
    for path, page in pages.items():
        for target in sorted(page.targets):
            if path.name == "404.html" or not _leads_here(target):
                continue
            file, _, fragment = target.partition("#")
            file = urllib.parse.unquote(file.partition("?")[0])
            there = (path.parent / file).resolve() if file else path
            if there.is_dir():
                there /= "index.html"
            fragment = urllib.parse.unquote(fragment)
            if not there.is_file() or (fragment and there in pages and fragment not in pages[there].places):
                broken.append(f"{path.relative_to(book)}: {target}")
    return broken


def _leads_here(target):
    parts = urllib.parse.urlsplit(target)
    return not parts.scheme and not parts.netloc


def main():
    mdbook = Path(sys.argv[1]) if len(sys.argv) > 1 else MDBOOK
    problems = build(mdbook) or [f"broken link: {link}" for link in broken_links(BOOK)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(f"The book has {len(problems)} problems.")
    print(f"The book is in {BOOK.relative_to(ROOT)}/index.html")


if __name__ == "__main__":
    main()
