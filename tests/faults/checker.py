"""What must hold after every fault. An error names what is wrong and shows lines of the ledger."""

import math
from collections import Counter

from ledger import DENY, NONE, PERMIT

SHOWN = 12
# "Visible within about a second" (docs/decisions.md): what was decided longer before a kill than this is not lost.
WRITTEN_WITHIN_SECONDS = 2
# So that a kill comes after decisions that it must not lose, and not only after those that it may.
BEFORE_A_KILL_SECONDS = WRITTEN_WITHIN_SECONDS + 1.5
FEWEST_BEFORE_A_KILL = 20
WELL = ("before", "after")
# Of crates/pdp/src/remote.rs: an authorizer waits no shorter before it asks again.
SHORTEST_ATTEMPT_SECONDS = 0.25
UNWELL = ("during", "recovering")
# What was on its way may take the whole time that an authorizer has (2 s), and a busy machine more. It was 1 s at most, where
# the resolver waited for an answer.
RECOVERED_WITHIN_SECONDS = 6
# docs/deployments.md: "Until there is a deployment that can be used [...] every request is denied with 404 `no_service`",
# which is so for a moment after each start.
STARTING = ("no_service",)


class Broken(AssertionError):
    """Something that must hold does not."""

    def __init__(self, rule, lines):
        shown = "\n".join(f"  {line}" for line in lines[:SHOWN])
        more = f"\n  and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        super().__init__(f"{rule}: {len(lines)}\n{shown}{more}")


def refuse(rule, lines):
    lines = list(lines)
    if lines:
        raise Broken(rule, lines)


def check_nothing_was_allowed_that_policy_denies(ledger):
    """At no time, whatever was broken."""
    refuse("allowed what the policy denies", (
        line for line in ledger.lines
        if line.reply and line.reply.outcome == PERMIT and line.permitted is False
    ))
    refuse("an answer that is not one to this request", (
        line for line in ledger.lines if line.reply and "of another request" in line.reply.note
    ))


def check_everyone_is_answered_as_the_policy_says(lines):
    """As after a recovery: a permit for what is permitted, and a deny for the reason that the policy has."""
    lines = list(lines)
    if not lines:
        raise AssertionError("nothing was asked, so nothing was tried")
    refuse("not permitted what the policy permits", (
        line for line in lines if line.permitted is True and (not line.reply or line.reply.outcome != PERMIT)
    ))
    refuse("not denied, or without a decision, what the policy denies", (
        line for line in lines if line.permitted is False and (not line.reply or line.reply.outcome != DENY)
    ))
    refuse("denied for another reason", (
        line for line in lines
        if line.permitted is False and None not in (line.reason, line.reply.reason) and line.reply.reason != line.reason
    ))


def check_recoveries(ledger, recoveries, clients):
    """Each client is permitted something soon after all was mended, and answered as the policy says from then on, whether
    the others have got so far or not. What was on its way when something broke again does not count."""
    if not recoveries:
        raise AssertionError("nothing was mended")
    late, answered = [], []
    for recovery in recoveries:
        for client in clients:
            lines = [
                line for line in ledger.lines
                if line.client == client and recovery.began <= line.sent and line.answered and line.answered < recovery.ended
            ]
            first = next((line for line in lines if line.reply.outcome == PERMIT), None)
            took = first.answered - recovery.began if first else math.inf
            if took > RECOVERED_WITHIN_SECONDS:
                late.append(f"{client}: after {took:.1f} s")
            answered += [line for line in lines if first and line.sent >= first.answered]
    refuse(f"the first permit came later than {RECOVERED_WITHIN_SECONDS} s after all was mended", late)
    check_everyone_is_answered_as_the_policy_says(answered)


def check_a_crowd_was_decided_on(lines, cases, share):
    """Of a crowd that is too large, some were told what the policy says, whatever they asked; at least that share of all."""
    lines = [line for line in lines if line.reply]
    told = {(line.case.name, line.reply.outcome) for line in lines}
    refuse("kinds of request that nobody was answered as the policy says", (
        case.name for case in cases if (case.name, PERMIT if case.permitted else DENY) not in told
    ))
    decided = sum(line.reply.outcome != NONE for line in lines)
    if decided < share * len(lines):
        raise AssertionError(f"{decided} of {len(lines)} requests were decided, expected at least {share:.0%}")


def check_records(ledger, records, killed=(), also=()):
    """Every decision that a client was told of is recorded once, as it was told, and none is there twice.

    `records` are the decisions that the service exports. `killed` are (from, until): at `until` the service was killed, and
    since `from` it could write nothing. A kill loses what was not written, so decisions may be missing that were asked for
    in that time, or answered up to `WRITTEN_WITHIN_SECONDS` before it; those that were made before that must be there, and
    so many that it shows whether they are. `also` are reasons that denies may have while all is not well.
    """
    ids = Counter(record["id"] for record in records)
    refuse("decisions recorded twice", (f"{one} {count} times" for one, count in ids.items() if count > 1))
    told = [line for line in ledger.lines if line.reply and line.reply.decision]
    refuse("decisions told twice", (
        one for one, count in Counter(line.reply.decision for line in told).items() if count > 1
    ))
    check_there_was_something_to_lose(told, killed)
    refuse("decisions that are not recorded", (
        line for line in told if line.reply.decision not in ids and not lost_to_a_kill(line, killed)
    ))
    by_path = {line.path: line for line in ledger.lines}
    known = [(record, by_path[record["path"]]) for record in records if record["path"] in by_path]
    refuse("recorded as permitted what the policy denies", (
        line for record, line in known if record["outcome"] == PERMIT and line.permitted is False
    ))
    by_id = {record["id"]: record for record in records}
    refuse("recorded with another outcome than the client was told", (
        line for line in told
        if line.reply.decision in by_id and by_id[line.reply.decision]["outcome"] != line.reply.outcome
    ))
    refuse("recorded as denied for another reason than the policy has", (
        line for line in told
        if line.permitted is False and line.reason is not None and line.reply.decision in by_id
        and by_id[line.reply.decision]["reason"] not in {line.reason, *(also if line.phase in UNWELL else ())}
    ))
    refuse("recorded with another path than was asked for", (
        line for line in told if line.reply.decision in by_id and by_id[line.reply.decision]["path"] != line.path
    ))
    counts = Counter(line.path for _, line in known)
    refuse("requests with more records than attempts", (
        line for line in ledger.lines if counts[line.path] > line.attempts
    ))
    refuse("requests with another number of records than one while nothing was broken", (
        line for line in ledger.lines
        if line.attempts and is_asked_once(line) and counts[line.path] != 1
        and not (counts[line.path] == 0 and lost_to_a_kill(line, killed))
    ))


def is_asked_once(line):
    """All was well from the question to the answer, which came before an attempt could have been given up."""
    return (
        line.phase in WELL and line.answered_in == line.phase and line.reply.outcome != NONE
        and line.answered - line.sent < SHORTEST_ATTEMPT_SECONDS
    )


def check_there_was_something_to_lose(told, killed):
    """Each process that was killed had made decisions that must be recorded nevertheless."""
    started = -math.inf
    for since, until in killed:
        count = sum(started < line.sent and line.answered < since - WRITTEN_WITHIN_SECONDS for line in told)
        if count < FEWEST_BEFORE_A_KILL:
            raise AssertionError(
                f"{count} decisions were old enough when the service was killed at {until:.3f} to have to be recorded, expected at "
                f"least {FEWEST_BEFORE_A_KILL}: were all lost, nobody would notice"
            )
        started = until


def lost_to_a_kill(line, killed):
    return any(since - WRITTEN_WITHIN_SECONDS <= line.answered and line.sent <= until for since, until in killed)


def check_nobody_was_decided_on(failure, lines, clients, questions, connections):
    """While a name cannot be resolved because of that `failure`: every client tried, and there were `questions` to the
    resolver, no `connections`, and no decisions."""
    lines = list(lines)
    if not questions:
        raise AssertionError(f"{failure}: nobody asked for the name")
    if connections:
        raise AssertionError(f"{failure}: {connections} connections were opened to a name that cannot be resolved")
    refuse(f"{failure}: decided where nobody can be asked", (line for line in lines if line.reply and line.reply.outcome != NONE))
    refuse(f"{failure}: clients that never tried", sorted(set(clients) - {line.client for line in lines if line.reply}))


def check_the_fault_was_felt(ledger, phase="during"):
    """A fault that nobody noticed proves nothing. What was on its way when it began counts, too."""
    felt = (line for line in ledger.lines if phase in (line.phase, line.answered_in))
    if not any(line.reply and line.reply.outcome == NONE for line in felt):
        raise AssertionError(f"no request was without a decision in the phase {phase!r}: nothing was broken")
