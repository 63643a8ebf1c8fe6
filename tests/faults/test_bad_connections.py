"""The way between authorizer and decision service is slow, half open, cut off, or answers garbage. Gateways that ask the
service directly are there all the time and must not notice."""

import itertools
import time

import pytest

import fault_proxy
import tcp_proxy
from fault_proxy import FaultProxy
from ledger import NONE
from tcp_proxy import TcpProxy

# The whole time that an authorizer has for a decision, and what it may take beyond that on a machine that is busy.
BUDGET_SECONDS = 1.0
SLACK_SECONDS = 1.0


def run(stage, seconds, proxy, service, break_it, mend, **settings):
    scene = stage.scene(
        service, url=f"http://127.0.0.1:{proxy.port}", authorizers=3,
        PORTCULLIS_TIMEOUT=f"{BUDGET_SECONDS * 1000:.0f}ms", **settings,
    )
    with scene.running() as load:
        load.before(seconds.before)
        break_it()
        load.go_on(seconds.fault)
        mend()
        load.recovered()
        load.after()
    scene.check(unhurt=["gateway"])
    late = [
        line for line in scene.lines_of("during", "authorizer") if line.answered - line.sent > BUDGET_SECONDS + SLACK_SECONDS
    ]
    assert not late, f"took longer than the budget of {BUDGET_SECONDS} s:\n" + "\n".join(map(str, late[:5]))
    return scene


HALF_OPEN = {
    "requests never arrive": tcp_proxy.swallow_requests,
    "answers never arrive": tcp_proxy.swallow_answers,
    "reset in the middle of answers": tcp_proxy.reset_mid_answer,
    # Some in time, some not; with the retry some in time at the second attempt.
    "slow around the deadline": tcp_proxy.slow(0.2 * BUDGET_SECONDS, 1.2 * BUDGET_SECONDS),
}


@pytest.mark.parametrize("name", HALF_OPEN)
def test_connections_that_break(stage, seconds, name):
    service = stage.serve()
    proxy = stage.closing(TcpProxy(service.endpoint.port))

    def break_it():
        proxy.fault = HALF_OPEN[name]

    def mend():
        proxy.fault = None

    run(stage, seconds, proxy, service, break_it, mend)


class Garbage:
    """Everything that is not the answer, one kind after the other."""

    def __init__(self):
        self._permit = None
        self.kinds = itertools.cycle([
            fault_proxy.status(500), fault_proxy.status(404), fault_proxy.closed, fault_proxy.cut_short,
            fault_proxy.truncated, fault_proxy.no_http, fault_proxy.error_page, fault_proxy.status(503), self.stale_permit,
        ])

    def __call__(self, handler, real):
        next(self.kinds)(handler, real)

    def stale_permit(self, handler, real):
        """A permit that was given to somebody else."""
        code, headers, content = real()
        before = self._permit
        if code == 200 and b'"response"' not in content:
            self._permit = (code, headers, content)
        if before is None:
            handler.close_connection = True
        else:
            handler.answer(*before)


def test_garbage(stage, seconds):
    service = stage.serve()
    proxy = stage.closing(FaultProxy(service.endpoint.port))
    scene = run(stage, seconds, proxy, service, lambda: proxy.go_wrong(Garbage()), proxy.go_right)
    # Two kinds in a row, as there is one retry, and none of them an answer.
    assert all(line.reply.outcome == NONE for line in settled(scene)), "\n".join(map(str, settled(scene)))


def settled(scene):
    """What authorizers asked well within the fault and were told within it."""
    started = min(line.sent for line in scene.ledger.of("during"))
    lines = scene.lines_of("during", "authorizer")
    return [
        line for line in lines
        if line.sent > started + 0.2 and line.answered_in == "during" and line.reply.outcome != NONE
    ]


def test_too_many_requests(stage, seconds):
    """A service that says 429 is left alone for as long as it says, and asked again then."""
    service = stage.serve()
    proxy = stage.closing(FaultProxy(service.endpoint.port))
    limited = fault_proxy.status(429, ("Retry-After", "1"))
    started = []

    def break_it():
        proxy.go_wrong(limited)
        started.append((time.monotonic(), len(proxy.calls)))

    def mend():
        proxy.go_right()
        (began, calls) = started[0]
        asked, most = len(proxy.calls) - calls, 3 * (2 + time.monotonic() - began)
        assert asked <= most, f"{asked} calls came while each of 3 functions was told to wait a second; expected at most {most:.0f}"

    run(stage, seconds, proxy, service, break_it, mend)
