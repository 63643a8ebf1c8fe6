"""The demo itself: what it prints, how it ends, and that it leaves nothing running."""

import os
import re
import signal
import socket
import subprocess
import sys

from conftest import eventually
from localaws import paths

DEMO = paths.SOLAR_SYSTEM / "demo.py"


def test_once(tmp_path):
    demo = start(tmp_path, "--once")
    output, errors = demo.communicate(timeout=60)
    assert (demo.returncode, errors) == (0, "")
    assert "Every answer is what the policy says." in output
    assert "\N{BALLOT X}" not in output
    # Five callers, three routes, two APIs and CloudFront, with a decision service and in OAuth mode.
    assert output.count("\N{CHECK MARK}") == 90
    assert_stopped(output)


def test_it_stays_up_to_be_tried_until_it_is_told_to_stop(tmp_path):
    demo = start(tmp_path)
    output = ""
    while "Ctrl-C" not in output:
        line = demo.stdout.readline()
        assert line, demo.stderr.read()
        output += line
    lines = output.splitlines()
    first = next(index for index, line in enumerate(lines) if "TOKEN=$(curl" in line)
    tried = subprocess.run(["sh", "-c", "\n".join(lines[first : first + 2])], capture_output=True, text=True)
    assert tried.stdout.startswith("HTTP/1.1 200"), tried
    assert "Phobos" in tried.stdout
    demo.send_signal(signal.SIGINT)
    rest, errors = demo.communicate(timeout=30)
    assert (demo.returncode, errors) == (0, "")
    assert_stopped(output + rest)


def start(directory, *arguments):
    return subprocess.Popen(
        [sys.executable, "-u", DEMO, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(directory), "PYTHONIOENCODING": "utf-8"},
    )


def assert_stopped(output):
    """Nothing listens any more where the demo said that something does."""
    ports = {int(port) for port in re.findall(r"http://[\w.-]+:(\d+)", output)}
    assert ports
    eventually(lambda: not any(listening(port) for port in ports))


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
