"""The clock of the service and of authorizers that decide themselves steps by an hour, either way, and back.

What a token is worth is asked with the time of each request: tokens that were verified before are no exception. By the clock
that has stepped, an expired token is refused, and so is one that was not issued yet.
"""

import time
from dataclasses import dataclass

import pytest

from cases import GOLD, HOUR, SILVER, Case
from clock import Clock
from ledger import PERMIT


@dataclass(frozen=True)
class Timed(Case):
    """A case whose token is good from `starts` to `ends`."""

    starts: int
    ends: int

    def at(self, offset):
        """What the policy says while the clock is off by so many seconds."""
        now = time.time() + offset
        if now >= self.ends:
            return False, "token_expired"
        return (False, "token_not_yet_valid") if now < self.starts else (self.permitted, self.reason)


@pytest.fixture(scope="module")
def timed(issuer):
    now = int(time.time())

    def case(name, route, reason, hours, **claims):
        starts, ends = (int(now + hour * HOUR) for hour in hours)
        return Timed(name, route, issuer.token(iat=starts, exp=ends, **claims), reason, starts, ends)

    return [
        case("good for hours", "planets", "permitted", (-3, 4), sub="a", scope=SILVER),
        case("good for half an hour", "planets", "permitted", (-0.1, 0.5), sub="b", scope=SILVER),
        case("good for hours, but no gold", "moons", "insufficient_scope", (-3, 4), sub="a", scope=SILVER),
        case("expired half an hour ago", "moons", "permitted", (-3, -0.5), sub="c", scope=GOLD),
        case("good since half an hour", "moons", "permitted", (-0.5, 4), sub="d", scope=GOLD),
        case("expired two hours ago", "planets", "permitted", (-4, -2), sub="e", scope=GOLD),
        case("good in half an hour", "planets", "permitted", (0.5, 4), sub="f", scope=SILVER),
        case("good in two hours", "moons", "permitted", (2, 4), sub="g", scope=GOLD),
    ]


def either(one, other):
    """While the clock steps, what is sent may be decided before or after."""

    def expect(case):
        before, after = case.at(one), case.at(other)
        return before if before == after else (before[0] if before[0] == after[0] else None, None)

    return expect


@pytest.mark.parametrize("hours", [1, -1])
def test_clock_steps_and_steps_back(stage, seconds, tmp_path, timed, hours):
    clock = Clock(tmp_path)
    service = stage.serve(**clock.environment)
    scene = stage.scene(service, timed, authorizers=1, oauth=1, **clock.environment)
    load = scene.load

    def step(one, other):
        load.expect = either(one, other)
        load.turn()
        clock.step(other)
        load.turn()
        load.expect = lambda case: case.at(other)

    load.expect = lambda case: case.at(0)
    with scene.running():
        load.before(seconds.before)
        step(0, hours * HOUR)
        load.go_on(seconds.fault)
        step(hours * HOUR, 0)
        load.recovered()
        load.after()
    scene.check(felt=False, unhurt=["gateway", "authorizer"])
    assert_the_step_was_felt(scene, hours * HOUR)


def assert_the_step_was_felt(scene, offset):
    """Tokens were judged by the clock that had stepped, those that become good by it as well as those that become bad."""
    others = {case.name: case.at(offset)[0] for case in scene.load.cases if case.at(0)[0] != case.at(offset)[0]}
    assert set(others.values()) == {True, False}
    judged = {(line.case.name, line.reply.outcome == PERMIT) for line in scene.lines_of("during") if line.reply}
    assert set(others.items()) <= judged
