"""What was asked and what was answered: a line for every request of the load."""

import itertools
import math
import secrets
import time
from dataclasses import dataclass, field

from cases import Case

PERMIT, DENY, NONE = "permit", "deny", "none"


@dataclass
class Reply:
    """What a client was told: `outcome` is permit, deny, or none where no decision came, and then `note` says why.

    `reason` and `decision` (the id) are there where the answer tells them.
    """

    outcome: str
    reason: str | None = None
    decision: str | None = None
    note: str = ""


@dataclass
class Line:
    """One request. `path` is its own, so that its records can be found; times are those of `time.monotonic`.

    `permitted` is what the policy says: True, False, or None while both may be right, which a test has to explain.
    `reason` is the reason code that it has, or None while several may be right.
    `phase` is the one in which it was sent, `answered_in` the one in which it was answered. `attempts` is how often the
    service may be asked for it, none where the client decides itself.
    """

    path: str
    client: str
    case: Case
    permitted: bool | None
    reason: str | None
    phase: str
    attempts: int
    sent: float = field(default_factory=time.monotonic)
    answered: float | None = None
    answered_in: str | None = None
    reply: Reply | None = None

    def __str__(self):
        expected = {True: "permit", False: f"deny ({self.reason})", None: "either"}[self.permitted]
        got = "not answered yet"
        if self.reply:
            told = [self.reply.reason, self.reply.decision, self.reply.note]
            got = f"{self.reply.outcome} after {1000 * (self.answered - self.sent):.0f} ms " + " ".join(filter(None, told))
        return f"{self.sent:.3f} {self.phase:10} {self.client:12} {self.path:22} {self.case.name}: expected {expected}, got {got}"


@dataclass
class Recovery:
    """From when all was mended until something broke again, by `time.monotonic`."""

    began: float
    ended: float = math.inf


class Ledger:
    """All lines, in the order in which they were sent. Threads may write at the same time."""

    def __init__(self):
        self.lines = []
        self._numbers = itertools.count(1)
        # Tells its requests from those of other tests on the same database.
        self._mark = secrets.token_hex(3)

    def send(self, client, case, phase, expect=None):
        """A new line. `expect` gives (permitted, reason) of a case where it is not what the case itself says."""
        permitted, reason = expect(case) if expect else (case.permitted, case.reason)
        path = f"/{case.route}/{self._mark}-{next(self._numbers)}"
        line = Line(path, client.name, case, permitted, reason, phase, client.attempts)
        self.lines.append(line)
        return line

    @staticmethod
    def answer(line, reply, phase):
        line.answered = time.monotonic()
        line.answered_in = phase
        line.reply = reply

    def of(self, phase):
        """Those that were sent in that phase; of `before`, those that were answered in it, too."""
        lines = [line for line in self.lines if line.phase == phase]
        return [line for line in lines if line.answered_in == phase] if phase == "before" else lines

    def count(self, outcome):
        return sum(1 for line in self.lines if line.reply and line.reply.outcome == outcome)

    def __str__(self):
        outcomes = ", ".join(f"{self.count(outcome)} {name}" for outcome, name in (
            (PERMIT, "permitted"), (DENY, "denied"), (NONE, "without a decision")))
        return f"{len(self.lines)} requests: {outcomes}"
