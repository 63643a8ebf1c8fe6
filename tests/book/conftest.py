"""What the tests of the book share: the programs of the end-to-end tests, and one local AWS."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "e2e")]
sys.dont_write_bytecode = True

import pages  # noqa: E402
from localaws.ministack import MiniStack  # noqa: E402


def pytest_terminal_summary(terminalreporter):
    """So that nobody takes what passed for more than it is."""
    terminalreporter.section("commands of the book that were not run")
    for line in pages.not_shown():
        terminalreporter.write_line(line)


class OneAws:
    """A local AWS that is started when the first page asks for it, and empty whenever one does."""

    def __init__(self, directory):
        self._directory = directory
        self._running = None

    def __call__(self):
        if self._running is None:
            self._running = MiniStack(self._directory)
        else:
            assert self._running.endpoint.call("/_ministack/reset", method="POST", body=b"").status == 200
        return self._running

    def stop(self):
        if self._running is not None:
            self._running.stop()


@pytest.fixture(scope="session")
def aws(tmp_path_factory):
    one = OneAws(tmp_path_factory.mktemp("aws"))
    yield one
    one.stop()
