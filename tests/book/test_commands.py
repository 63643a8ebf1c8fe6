"""Every command in the book runs and prints what the book says."""

import collections

import pytest

import pages
import setups
from shell import Shell, shell_in
from world import World

# Blocks that cannot be run here, by page: a page that is not named has none. Each says why where it stands.
NOT_RUN = {
    "deploy/terraform/README.md": 1,
    "docs/decision-service.md": 1,
    "docs/releases.md": 1,
    "tests/e2e/README.md": 1,
}
# Commands of `make` that are only tried dry, by page.
DRY = {
    "README.md": ["demo", "test"],
    "docs/releases.md": ["dist ARCHS=x86_64"],
    "docs/start.md": ["demo", "build"],
    "examples/solar-system/README.md": ["demo"],
    "tests/faults/README.md": ["faults", "faults FAULTS=short"],
}

ALL = pages.documents()
WITH_COMMANDS = [page for page in ALL if any(block.language in pages.COMMANDS for block in pages.blocks(page))]


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_the_commands_of_a_page_run(page, tmp_path, aws):
    world = World(tmp_path, aws)
    setups.prepare(page, world)
    with shell_in(world) as shell:
        blocks = pages.blocks(page)
        for block in reversed([block for block in blocks if block.file]):
            world.write(block.file, block.text)
        for block in blocks:
            follow(block, world, shell)


def follow(block, world, shell):
    """Does what a reader of the block would do."""
    if block.file:
        world.write(block.file, block.text)
    if block.not_run is not None or block.language not in pages.COMMANDS:
        return
    for text, act in world.between.items():
        if text in block.text:
            act(world, shell)
    type_in(block, world, shell)
    called = world.logs / "dry"
    assert (called.read_text().splitlines() if called.exists() else []) == block.dry, f"{block}: where is `make` in it?"
    called.unlink(missing_ok=True)


def type_in(block, world, shell):
    """Runs the commands of a block."""
    if block.language == "sh":
        status, output = shell.run(world.here(pages.checked_script(block)), stop_at_failure=True)
        assert status == 0, f"{block} ended with status {status}:\n{output}"
        return
    for one in pages.commands(block):
        status, output = shell.run(world.here(one.command) + "\n")
        told = f"{block}: {one.command}\nended with status {status} and printed\n{world.there(output)}"
        if status != one.status or not pages.fits(world.there(output), one.output):
            raise AssertionError(f"{told}\nin place of {one.status} and\n{one.output}")


def test_what_is_not_run_says_why_and_does_not_grow():
    found = [block for page in ALL for block in pages.blocks(page) if block.not_run is not None]
    assert [str(block) for block in found if len(block.not_run) < 20] == [], "each says why"
    assert collections.Counter(block.page for block in found) == NOT_RUN


def test_what_is_only_a_dry_run_says_what_runs_it_and_does_not_grow():
    found = {page: [call for block in pages.blocks(page) for call in block.dry] for page in ALL}
    assert {page: calls for page, calls in found.items() if calls} == DRY
    assert {call.split()[0] for calls in DRY.values() for call in calls} == set(pages.RUN_ELSEWHERE)


@pytest.mark.parametrize("page", ALL)
def test_every_block_says_what_it_is_written_in(page):
    unknown = [f"{block}: {block.language!r}" for block in pages.blocks(page)
               if block.language not in pages.COMMANDS | pages.OTHERS]
    assert unknown == []
    # A block by four spaces has no language, so that nobody could tell whether it holds commands.
    programs = ("portcullis ", "aws ", "curl ", "make ", "cargo ", "terraform ", "node ", ".tools/", "install ")
    by_spaces = [f"{page}:{number}: {line}" for number, line in pages.outside_blocks(page)
                 if line.startswith("    ") and line.strip().startswith(programs)]
    assert by_spaces == []


@pytest.mark.parametrize(
    ("output", "promised", "fit"),
    [
        ("one\ntwo\n", "one\ntwo\n", True),
        ("one\ntwo\n", "one\n", False),
        ("one\ntwo\nthree\n", "one\n...\nthree", True),
        ("one\n", "one\n...\n", True),
        ("one\ntwo\n", "one...\n", False),
        ("took 12 ms", "took ... ms", True),
        ("took 12 s", "took ... ms", False),
        ("", "", True),
        ("something", "", False),
    ],
)
def test_an_output_is_compared_whole(output, promised, fit):
    assert pages.fits(output, promised) == fit


def test_a_command_that_fails_is_told(tmp_path, aws):
    world = World(tmp_path, aws)
    shell = Shell(world.directory, world.logs, world.environment)
    try:
        for language, text in (("sh", "false\ntrue\n"), ("console", "$ echo one\ntwo\n"), ("console", "$ false\n")):
            with pytest.raises(AssertionError):
                follow(pages.Block("made up", 1, language, text), world, shell)
            if language == "sh":
                shell.stop()
                shell = Shell(world.directory, world.logs, world.environment)
        follow(pages.Block("made up", 1, "console", "$ false  # exit status 1\n"), world, shell)
        follow(pages.Block("made up", 1, "sh", "false  # exit status 1\n"), world, shell)
        follow(make := pages.Block("made up", 1, "console", "$ make  demo ONCE=1   # here\n$ true\n"), world, shell)
        assert make.dry == ["demo ONCE=1"]
        for text in ("$ make no-such-target\n", "$ true && make demo\n"):
            with pytest.raises(AssertionError):
                follow(pages.Block("made up", 1, "console", text), world, shell)
            (world.logs / "dry").unlink()
    finally:
        shell.stop()
        world.stop()
