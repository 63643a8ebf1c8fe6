"""The examples of `--help` run, and no block that is not run holds a command line.

`docs/reference/commands.md` is written from the code and has these examples in blocks of text. Each command has a world of its
own (examples.py), in which its examples run one after the other as a reader would type them.
"""

import re

import pytest

import examples
import pages
from shell import shell_in
from test_inline import unknown_part
from world import World

PAGE = "docs/reference/commands.md"
# A line that somebody could type; a picture with `curl ───>` or `terraform {` in a module is none.
TYPED = re.compile(r"^ *(?:\$ )?(?:[A-Z_]+=\S+ )*(?:portcullis|aws|curl|make|cargo|terraform|node|\.tools/\S+) [\w\"'$./<\[-]")
# Answers yes to what a command asks.
AT_A_TERMINAL = "echo yes | python3 -c 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))'"
OURS = re.compile(r"(?:^|[\s;&|(])(portcullis [a-z].*)")


def blocks_of_commands():
    """The blocks of the page with the command that each is about, and whether it holds examples."""
    lines = (pages.ROOT / PAGE).read_text().splitlines()
    for block in pages.blocks(PAGE):
        before = [line for line in lines[: block.line - 1] if line]
        command = next(line.removeprefix("## ") for line in reversed(before) if line.startswith("## "))
        yield command, before[-1] == "Examples:", block


EXAMPLES = {command: block for command, are_examples, block in blocks_of_commands() if are_examples}


def typed(text):
    """The lines of a block, those that go on after `\\` as one."""
    return re.sub(r"\\\n *", "", text).splitlines()


@pytest.mark.parametrize("command", EXAMPLES)
def test_the_examples_of_a_command_run(command, tmp_path, aws):
    world = World(tmp_path, aws)
    examples.prepare(command, world)
    with shell_in(world) as shell:
        for line in typed(EXAMPLES[command].text):
            # One has a remark behind it, as no shell would take it.
            done = f"{AT_A_TERMINAL} {line}" if line in examples.ASKS else re.sub(r" {2,}\([^()]*\)$", "", line)
            status, output = shell.run(world.here(f"{examples.BEFORE.get(line, '')}\n{done}\n"))
            assert status == 0, f"{line}\nended with status {status} and printed\n{world.there(output)}"


def test_what_is_said_of_examples_is_said_of_one_that_is_there():
    lines = {line for block in EXAMPLES.values() for line in typed(block.text)}
    assert set(EXAMPLES) == set(examples.SETUPS)
    assert [line for line in (*examples.BEFORE, *examples.ASKS) if line not in lines] == []


def test_every_command_has_a_usage_whose_parts_are_known():
    usages = {command: block.text for command, are_examples, block in blocks_of_commands() if not are_examples and block.text.startswith(command)}
    assert len(usages) > 20
    assert [line for text in usages.values() for line in typed(text) if unknown_part(line)] == []


def unchecked(page, block):
    """The command lines of a block that nothing runs, and those within other lines that are wrong."""
    examples_or_usage = page == PAGE
    for line in typed(block.text):
        ours = OURS.search(line)
        if (TYPED.match(line) and not examples_or_usage) or (ours and unknown_part(ours[1])):
            yield f"{block}: {line}"


@pytest.mark.parametrize("page", pages.documents())
def test_no_other_block_holds_commands(page):
    found = [line for block in pages.blocks(page) if block.language not in pages.COMMANDS for line in unchecked(page, block)]
    assert found == [], "a block of commands is `sh` or `console`, and is run"


def test_a_command_in_a_block_of_text_is_found():
    def found(text, page="docs/start.md"):
        return len(list(unchecked(page, pages.Block(page, 1, "text", text))))

    assert found("portcullis policy check policy/\n") == 1
    assert found("NAME=value portcullis policy check policy/\n") == 1
    assert found("  $ make demo\n") == 1
    assert found("curl ───> the API\nterraform {\n") == 0
    assert found('source = "edge.zip" # portcullis package edge -o edge.zip\n') == 0
    assert found('source = "edge.zip" # portcullis package edge -o edge.zip --slim\n') == 1
    assert found("portcullis policy check policy/\n", PAGE) == 0
    assert found("portcullis policy check policy/ \\\n  --fast\n", PAGE) == 1
