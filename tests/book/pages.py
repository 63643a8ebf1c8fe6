"""Reads the pages of the book: which commands they hold, which output they promise, and which files they show.

A fenced block is told by its language and by an HTML comment on the line before it:

    ```sh                       commands, which have to end well
    ```console                  commands after `$ `, each followed by its output, in which `...` stands for anything
    <!-- file: PATH -->         the block is what the file PATH holds: from the start, and anew when it comes to the block
    <!-- not run: REASON -->    the commands cannot be run here

A command that ends with `# exit status N` has to end with that status. Of `make` nothing is run in a block (shell.py): whether it
knows the target is all that the block shows.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {"sh", "console"}
# What a block that holds no commands is written in.
OTHERS = {"text", "json", "yaml", "toml", "rego", "cedar", "terraform", "python", "javascript", "rust"}
# Where a target of `make` is run that is only a dry run in a block.
RUN_ELSEWHERE = {
    "build": "the tests run the programs that it leaves",
    "demo": "tests/e2e/test_demo.py runs its program",
    "dist": "only .github/workflows/release.yml runs it, for all architectures",
    "faults": "tools/check.py runs the same tests in their short form",
    "test": "it is all of the tests, these among them",
}
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)$")
NOTE = re.compile(r"^ *<!-- (?P<kind>file|not run):(?P<text>.*)-->$")
MAKE = re.compile(r"^ *(?:\$ )?make(?= |$)(?P<arguments>[^#\n]*)", re.MULTILINE)
STATUS = re.compile(r"^(?P<command>.*\S)\s+# exit status (?P<status>\d+)$")


@dataclass
class Block:
    """A fenced block and what is said of it."""

    page: str
    line: int
    language: str
    text: str
    file: str | None = None
    not_run: str | None = None

    def __str__(self):
        return f"{self.page}:{self.line}"

    @property
    def dry(self):
        """What follows `make` in the commands of the block, each of which is only a dry run."""
        if self.language not in COMMANDS or self.not_run is not None:
            return []
        return [" ".join(one["arguments"].split()) for one in MAKE.finditer(self.text)]


@dataclass
class Command:
    """One command of a block with output, what it prints, and the status that it ends with."""

    command: str
    output: str
    status: int


def documents():
    """Every page whose commands are run, as a path from the top of the repository."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")]
    pages += [*(ROOT / "deploy").rglob("README.md"), ROOT / "examples" / "solar-system" / "README.md"]
    pages += [ROOT / part / "README.md" for part in ("crates/jose", "tests/e2e", "tests/edge", "tests/faults")]
    return sorted(str(page.relative_to(ROOT)) for page in pages)


def blocks(page):
    """The fenced blocks of a page, in their order."""
    found = []
    lines = (ROOT / page).read_text().splitlines()
    number = 0
    note = None
    while number < len(lines):
        line = lines[number]
        number += 1
        if opened := FENCE.match(line):
            first = number
            while number < len(lines) and lines[number].strip() != "```":
                number += 1
            if number == len(lines):
                raise ValueError(f"{page}:{first}: the block has no end")
            indent = len(opened["indent"])
            text = "".join(f"{inner[indent:]}\n" for inner in lines[first:number])
            number += 1
            found.append(Block(page, first, opened["language"], text, **note or {}))
            note = None
        elif noted := NOTE.match(line):
            note = {noted["kind"].replace(" ", "_"): noted["text"].strip()}
        elif line.strip():
            note = None
    return found


def not_shown():
    """What no block shows by running it, a line each."""
    for page in documents():
        for block in blocks(page):
            if block.not_run is not None:
                yield f"{block}: not run: {block.not_run}"
            for call in block.dry:
                yield f"{block}: dry run only: make {call}: {RUN_ELSEWHERE.get(call.split()[0], 'nothing runs it')}"


def outside_blocks(page):
    """The lines of a page that are in no fenced block, with their numbers."""
    fenced = False
    for number, line in enumerate((ROOT / page).read_text().splitlines(), start=1):
        if line.strip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def commands(block):
    """The commands of a block with output."""
    found = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], "", 0))
        elif found and not found[-1].output and found[-1].command.endswith("\\"):
            found[-1].command += f"\n{line}"
        elif found:
            found[-1].output += f"{line}\n"
        else:
            raise ValueError(f"{block}: the first line of a block with output begins with `$ `")
    for one in found:
        if told := STATUS.match(one.command):
            one.command, one.status = told["command"], int(told["status"])
    return found


def checked_script(block):
    """The commands of a block without output as a script that ends at the first that does not end as it should."""
    lines = []
    for line in block.text.splitlines():
        if told := STATUS.match(line):
            line = f"status=0; {told['command']} || status=$?; [ $status = {told['status']} ]"
        lines.append(line)
    return "\n".join(lines) + "\n"


def fits(output, promised):
    """Whether an output is what the page promises: `...` stands for anything in a line, a line of it for any lines."""
    pattern = ""
    for line in promised.strip().splitlines():
        parts = [re.escape(part) for part in line.rstrip().split("...")]
        pattern += r"(?:.*\n)*?" if line.strip() == "..." else ".*?".join(parts) + r"\n"
    printed = "".join(f"{line.rstrip()}\n" for line in output.strip().splitlines())
    return re.fullmatch(pattern, printed) is not None
