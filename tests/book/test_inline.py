"""Commands that stand within a sentence or a table exist: their subcommands, their options, their targets.

What stands in blocks of its own is run (test_commands.py).
"""

import functools
import re
import subprocess

import botocore.session
import pytest
from botocore import xform_name

import pages
from localaws import paths

MAKEFILE = (pages.ROOT / "Makefile").read_text()


def inline_commands(page, program):
    """The commands of a program within the text of a page, with their lines."""
    for number, line in pages.outside_blocks(page):
        for command in re.findall(rf"`({program} [^`]+)`", line):
            yield number, command


@functools.cache
def usage(*subcommands):
    """What `--help` of a subcommand prints."""
    told = subprocess.run([paths.PORTCULLIS, *subcommands, "--help"], capture_output=True, text=True)
    return told.stdout if told.returncode == 0 else None


def unknown_part(command):
    """The first word of a `portcullis` command that it does not know, or None."""
    words = command.replace("[", " ").replace("]", " ").split()[1:]
    subcommands = []
    while words and re.fullmatch(r"[a-z]+", words[0]) and "\nCommands:\n" in usage(*subcommands):
        subcommands.append(words.pop(0))
        if usage(*subcommands) is None:
            return subcommands[-1]
    for word in words:
        option = word.split("=")[0].rstrip(",.")
        if option.startswith("-") and option != "-" and not re.search(rf"(?<![\w-]){re.escape(option)}\b", usage(*subcommands)):
            return option
    return None


@pytest.mark.parametrize("page", pages.documents())
def test_every_command_in_the_text_is_known(page):
    unknown = [f"{page}:{number}: {command}: {part}" for number, command in inline_commands(page, "portcullis")
               if (part := unknown_part(command))]
    for number, command in inline_commands(page, "make"):
        target = command.split()[1]
        if not re.search(rf"^{re.escape(target)}:", MAKEFILE, re.MULTILINE):
            unknown.append(f"{page}:{number}: {command}")
    for number, command in inline_commands(page, "aws"):
        service, operation = (command.split() + [""])[1:3]
        # Tables leave out the name of the program where it was said before.
        if service in ("discover", "plan", "bind", "unbind", "doctor"):
            if unknown_part(f"portcullis {command}"):
                unknown.append(f"{page}:{number}: {command}")
        elif operation not in operations(service):
            unknown.append(f"{page}:{number}: {command}")
    assert unknown == []


@functools.cache
def operations(service):
    """The operations of an AWS service, as the AWS CLI calls them."""
    session = botocore.session.get_session()
    names = session.get_service_model(service).operation_names if service in session.get_available_services() else []
    return {xform_name(name, "-") for name in names}


def test_what_is_not_known_is_told():
    assert unknown_part("portcullis policy probe DIR") == "probe"
    assert unknown_part("portcullis policy check DIR --fast") == "--fast"
    assert unknown_part("portcullis policy check DIR") is None
    assert unknown_part("portcullis serve --policy DIR") is None
    assert "describe-regions" in operations("ec2")
