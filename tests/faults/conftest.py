"""What every fault has in common: the programs under load, how long each phase is, and what is told of it."""

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent / "tools"), str(TESTS / "e2e")]

from cases import AUDIENCE, cases, write_policy  # noqa: E402
from local_issuer import LocalIssuer  # noqa: E402
from scene import Scene  # noqa: E402
from service import Service  # noqa: E402


@dataclass(frozen=True)
class Seconds:
    """How long phases are."""

    before: float
    fault: float


@pytest.fixture(scope="session")
def seconds():
    """FAULTS=short is the form of continuous integration."""
    form = os.environ.get("FAULTS", "long")
    assert form in ("short", "long"), f"FAULTS={form}: expected short or long"
    return Seconds(before=0.5, fault=2) if form == "short" else Seconds(before=2, fault=8)


@pytest.fixture(scope="session")
def issuer():
    issuer = LocalIssuer(AUDIENCE)
    yield issuer
    issuer.stop()


@pytest.fixture(scope="session")
def all_cases(issuer):
    return cases(issuer)


@pytest.fixture
def policy(tmp_path, issuer):
    return write_policy(tmp_path / "usual", issuer.url)


@pytest.fixture
def stage(tmp_path, issuer, policy, all_cases, record_property):
    """Makes the service and who asks it; everything ends with the test."""
    scenes = []

    class Stage:
        def serve(self, database=None, another_issuer=None, **options):
            """`portcullis serve`, on SQLite unless told otherwise."""
            ours, trusted = policy, another_issuer or issuer
            if another_issuer:
                ours = write_policy(tmp_path / "another", another_issuer.url)
            service = Service(tmp_path, ours, trusted.url, database or f"sqlite:{tmp_path / 'portcullis.db'}", **options)
            return self.closing(service)

        def scene(self, service, cases=None, **options):
            scene = Scene(service, tmp_path, cases or all_cases, **options)
            scenes.append(scene)
            return self.closing(scene)

        def closing(self, something):
            """Stops it at the end."""
            ending.callback(something.stop)
            return something

    with contextlib.ExitStack() as ending:
        yield Stage()
    for scene in scenes:
        record_property("summary", scene.summary())


def pytest_runtest_logreport(report):
    """A line for each scenario, as it ends. Setting up has none of its own."""
    summary = dict(report.user_properties).get("summary")
    if report.when == "teardown" and summary:
        print(f"\n    {report.nodeid.partition('::')[2]}: {summary}", flush=True)
