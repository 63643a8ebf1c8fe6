"""The issuer changes its keys under load.

docs/decision-service.md: keys are "fetched again when a token names one that is not there or does not fit, at most every 10
seconds". So tokens of the new key are accepted within that time, and from the fetch on those of a key that was taken away are
refused. Meanwhile either may be refused; nothing else is let through.
"""

import time

from cases import AUDIENCE, cases
from local_issuer import LocalIssuer

COOL_DOWN_SECONDS = 10
# For the fetch itself, on a machine that is busy.
SLACK_SECONDS = 5


def test_keys_rotated_under_load(stage, seconds):
    issuer = stage.closing(LocalIssuer(AUDIENCE))
    service = stage.serve(another_issuer=issuer)
    old = cases(issuer)
    scene = stage.scene(service, old, authorizers=1, oauth=1)
    load = scene.load
    started, fetches = time.monotonic(), issuer.asked.count("/keys")
    with scene.running():
        load.before(seconds.before)
        for _ in range(1 if seconds.fault < 5 else 2):
            old = rotate(issuer, load, old)
        load.recovered()
        load.after()
    # The service and one authorizer hold keys.
    most = 2 * (1 + (time.monotonic() - started) // COOL_DOWN_SECONDS)
    asked = issuer.asked.count("/keys") - fetches
    assert 0 < asked <= most, f"the keys were fetched {asked} times, expected at most {most:.0f}"
    scene.check(felt=False, unhurt=["gateway", "authorizer"])


def rotate(issuer, load, old):
    """The issuer publishes another key and no other; returns the cases with tokens of it."""
    gone = {case.token for case in old if case.token}

    def undecided(case):
        """Both keys may be the one that is known."""
        return (None if case.permitted else False), None

    load.expect = undecided
    load.turn()
    issuer.rotate()
    new = cases(issuer)
    load.cases = [case for pair in zip(new, old) for case in pair]
    load.permitted(lambda line: line.case in new, COOL_DOWN_SECONDS + SLACK_SECONDS)

    def decided(case):
        if case.token not in gone:
            return case.permitted, case.reason
        # No operation is found before the token is looked at where it is refused in any case.
        return False, "unknown_key" if case.permitted else None

    load.turn()
    load.expect = decided
    load.turn()
    return new
