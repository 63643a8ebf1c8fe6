"""Would the checks of these tests find it, if something were wrong? Each is shown a ledger with one thing wrong in it."""

import os
import time

import pytest

import checker
import misbehaving_service
from cases import Case
from checker import Broken
from ledger import DENY, NONE, PERMIT, Ledger, Recovery, Reply
from memory import INTERVAL_SECONDS, Memory
from misbehaving_service import SidebandService
from namespaces import needs_mounts

GOOD = Case("good", "planets", "a token", "permitted")
BAD = Case("bad", "moons", "a token", "insufficient_scope")


class Somebody:
    name, attempts = "somebody", 1


def told(*replies, phase="after"):
    """A ledger of these, as (case, reply), and the records that belong to it."""
    ledger, records = Ledger(), []
    for case, reply in replies:
        line = ledger.send(Somebody, case, phase)
        ledger.answer(line, reply, phase)
        if reply.decision:
            records.append({"id": reply.decision, "path": line.path, "outcome": reply.outcome, "reason": case.reason})
    return ledger, records


def right():
    return told((GOOD, Reply(PERMIT, decision="1")), (BAD, Reply(DENY, decision="2")), (GOOD, Reply(PERMIT, decision="3")))


def check_all(ledger, records, **killed):
    checker.check_nothing_was_allowed_that_policy_denies(ledger)
    checker.check_everyone_is_answered_as_the_policy_says(ledger.of("after"))
    checker.check_records(ledger, records, **killed)


def test_a_ledger_with_nothing_wrong():
    check_all(*right())


@pytest.mark.parametrize("phase", ["before", "during", "recovering", "after"])
def test_an_allow_that_policy_denies(phase):
    ledger, _ = told((GOOD, Reply(PERMIT)), (BAD, Reply(PERMIT, decision="2")), phase=phase)
    with pytest.raises(Broken, match="allowed what the policy denies: 1\n.* bad: expected deny"):
        checker.check_nothing_was_allowed_that_policy_denies(ledger)


def test_an_answer_to_another_request():
    ledger, _ = told((GOOD, Reply(PERMIT, note="the echo is of another request")))
    with pytest.raises(Broken, match="not one to this request"):
        checker.check_nothing_was_allowed_that_policy_denies(ledger)


@pytest.mark.parametrize(
    ("case", "reply", "found"),
    [
        (GOOD, Reply(DENY), "not permitted what the policy permits"),
        (GOOD, Reply(NONE, note="timed out"), "not permitted what the policy permits"),
        (BAD, Reply(NONE, note="timed out"), "not denied, or without a decision"),
        (BAD, Reply(DENY, reason="token_expired"), "denied for another reason"),
    ],
)
def test_a_refusal_after_recovery(case, reply, found):
    ledger, _ = told((GOOD, Reply(PERMIT)), (case, reply))
    with pytest.raises(Broken, match=found):
        checker.check_everyone_is_answered_as_the_policy_says(ledger.of("after"))


def test_nothing_asked_is_no_proof():
    with pytest.raises(AssertionError, match="nothing was asked"):
        checker.check_everyone_is_answered_as_the_policy_says([])
    with pytest.raises(AssertionError, match="nothing was broken"):
        checker.check_the_fault_was_felt(right()[0])


def tampered(records, **members):
    return [records[0] | members, *records[1:]]


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (lambda records: [*records, records[1]], "recorded twice"),
        (lambda records: records[1:], "not recorded"),
        (lambda records: [*records, records[0] | {"id": "4"}], "more records than attempts"),
        (lambda records: tampered(records, outcome="deny"), "another outcome"),
        (lambda records: tampered(records, path=records[2]["path"]), "another path"),
        (lambda records: [records[0], records[1] | {"outcome": "permit"}, records[2]], "recorded as permitted"),
        (lambda records: [records[0], records[1] | {"reason": "token_expired"}, records[2]], "another reason"),
    ],
    ids=["doubled", "missing", "twice under other ids", "outcome", "path", "permitted", "reason"],
)
def test_records_that_were_tampered_with(tamper, found):
    ledger, records = right()
    with pytest.raises(Broken, match=found):
        check_all(ledger, tamper(records))


def killed_twice():
    """A ledger of two processes that were killed, with decisions that must be recorded and one each that need not, and of
    a third; its records, and the kills. The last decision of each process is `LAST`."""
    replies = [(GOOD, Reply(PERMIT, decision=str(number))) for number in range(3 * EACH)]
    ledger, records = told(*replies)
    kills = []
    for number, line in enumerate(ledger.lines):
        process, count = divmod(number, EACH)
        line.sent = 100.0 * process + (50 if count == LAST else 0)
        line.answered = line.sent + 0.01
        if count == LAST and process < 2:
            kills.append((line.answered + 0.1, line.answered + 0.2))
    return ledger, records, kills


EACH = checker.FEWEST_BEFORE_A_KILL + 1
LAST = EACH - 1


@pytest.mark.parametrize("process", [0, 1])
def test_what_is_lost_to_a_kill_is_the_end_only(process):
    ledger, records, kills = killed_twice()
    last = process * EACH + LAST
    check_all(ledger, records[:last] + records[last + 1 :], killed=kills)
    with pytest.raises(Broken, match="not recorded: 1"):
        check_all(ledger, records[: last - 1] + records[last:], killed=kills)
    with pytest.raises(Broken, match="not recorded: 1"):
        check_all(ledger, records[:-1], killed=kills)


@pytest.mark.parametrize("process", [0, 1])
def test_a_kill_after_nothing_that_must_be_recorded_is_no_proof(process):
    ledger, records, kills = killed_twice()
    since, until = kills[process]
    for line in ledger.lines[process * EACH : (process + 1) * EACH]:
        line.sent = line.answered = since - checker.WRITTEN_WITHIN_SECONDS + 0.01
    with pytest.raises(AssertionError, match=f"^0 decisions were old enough when the service was killed at {until:.3f}"):
        check_all(ledger, records, killed=kills)


def test_another_reason_is_taken_while_all_is_not_well_only():
    for phase, taken in (("during", True), ("after", False)):
        ledger, records = told((BAD, Reply(DENY, decision="1")), phase=phase)
        records[0]["reason"] = "no_service"
        if taken:
            checker.check_records(ledger, records, also=checker.STARTING)
        else:
            with pytest.raises(Broken, match="another reason"):
                checker.check_records(ledger, records, also=checker.STARTING)
        with pytest.raises(Broken, match="another reason"):
            checker.check_records(ledger, records)


class Retrying:
    name, attempts = "retrying", 4


class Deciding:
    name, attempts = "deciding", 0


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("count", [0, 2])
def test_where_nothing_is_broken_nobody_asks_twice(phase, count):
    """Whoever may ask again has one record, also of an answer that does not tell its id; and may have more when it is slow."""
    ledger = Ledger()
    line = ledger.send(Retrying, BAD, phase)
    ledger.answer(line, Reply(DENY), phase)
    record = {"path": line.path, "outcome": DENY, "reason": BAD.reason}
    records = [record | {"id": str(number)} for number in range(count)]
    with pytest.raises(Broken, match="another number of records than one while nothing was broken: 1"):
        checker.check_records(ledger, records)
    checker.check_records(ledger, [record | {"id": "1"}])
    line.answered = line.sent + 2 * checker.SHORTEST_ATTEMPT_SECONDS
    checker.check_records(ledger, records)
    line.answered, line.answered_in = line.sent, "during"
    checker.check_records(ledger, records)


def test_whoever_decides_itself_has_no_record():
    ledger = Ledger()
    line = ledger.send(Deciding, GOOD, "after")
    ledger.answer(line, Reply(PERMIT), "after")
    checker.check_records(ledger, [])
    with pytest.raises(Broken, match="more records than attempts"):
        checker.check_records(ledger, [{"id": "1", "path": line.path, "outcome": PERMIT, "reason": "permitted"}])


def recovering(*replies):
    """A ledger of these, as (client, when it is sent, case, outcome), each answered 0.1 s later."""
    ledger = Ledger()
    for client, sent, case, outcome in replies:
        line = ledger.send(type("Client", (), {"name": client, "attempts": 1}), case, "recovering")
        ledger.answer(line, Reply(outcome), "recovering")
        line.sent, line.answered = sent, sent + 0.1
    return ledger


def test_each_client_recovers_for_itself():
    """What the quick one is told counts, though the slow one is not there yet."""
    quick = [("quick", 10.0, GOOD, NONE), ("quick", 10.1, GOOD, PERMIT), ("quick", 10.3, BAD, DENY)]
    slow = [("slow", 10.1, GOOD, NONE), ("slow", 12.0, GOOD, DENY), ("slow", 13.0, GOOD, PERMIT)]
    clients, mended = ["quick", "slow"], [Recovery(10.0)]
    checker.check_recoveries(recovering(*quick, *slow), mended, clients)
    for wrong in (GOOD, DENY), (GOOD, NONE), (BAD, NONE):
        with pytest.raises(Broken, match="the policy (permits|denies): 1"):
            checker.check_recoveries(recovering(*quick, ("quick", 11.0, *wrong), *slow), mended, clients)
    # Broken again by then.
    checker.check_recoveries(recovering(*quick, ("quick", 14.0, GOOD, NONE), *slow), [Recovery(10.0, 13.5)], clients)


@pytest.mark.parametrize("permitted", [(), (10.0 + checker.RECOVERED_WITHIN_SECONDS,)], ids=["never", "late"])
def test_a_recovery_is_soon(permitted):
    lines = [("somebody", 10.0, GOOD, PERMIT), *(("late", sent, GOOD, PERMIT) for sent in permitted)]
    with pytest.raises(Broken, match="first permit came later.*: 1\n  late"):
        checker.check_recoveries(recovering(*lines), [Recovery(10.0)], ["somebody", "late"])
    with pytest.raises(AssertionError, match="nothing was mended"):
        checker.check_recoveries(recovering(*lines), [], ["somebody"])


def test_a_crowd_that_nobody_decides_on():
    turned_away = [(GOOD, Reply(NONE)), (BAD, Reply(NONE))]
    lucky = [(GOOD, Reply(PERMIT)), (BAD, Reply(DENY))]

    def check(*replies):
        checker.check_a_crowd_was_decided_on(told(*replies)[0].lines, [GOOD, BAD], 0.25)

    check(*3 * turned_away, *lucky)
    with pytest.raises(AssertionError, match="2 of 10 requests were decided, expected at least 25%"):
        check(*4 * turned_away, *lucky)
    for one, missing in zip(lucky, ("bad", "good")):
        with pytest.raises(Broken, match=f"nobody was answered as the policy says: 1\n  {missing}"):
            check(*turned_away, one)


def test_a_decision_where_nobody_can_be_asked():
    undecided = told((GOOD, Reply(NONE)), (BAD, Reply(NONE)))[0].lines
    check = checker.check_nobody_was_decided_on
    check("refused", undecided, ["somebody"], 1, 0)
    with pytest.raises(AssertionError, match="refused: nobody asked for the name"):
        check("refused", undecided, ["somebody"], 0, 0)
    with pytest.raises(AssertionError, match="refused: 2 connections were opened"):
        check("refused", undecided, ["somebody"], 1, 2)
    with pytest.raises(Broken, match="never tried: 1\n  another"):
        check("refused", undecided, ["somebody", "another"], 1, 0)
    for case, outcome in (GOOD, PERMIT), (BAD, DENY):
        lines = told((GOOD, Reply(NONE)), (case, Reply(outcome)))[0].lines
        with pytest.raises(Broken, match="decided where nobody can be asked: 1"):
            check("refused", lines, ["somebody"], 1, 0)


def remembered(**phases):
    """The memory of a process of which there are these samples, in MiB."""
    memory = Memory(lambda: {"service": 1}, lambda: "during")
    memory._samples = [("service", phase, mib) for phase, sizes in phases.items() for mib in sizes]
    return memory


STEADY = {"before": [20] * 3, "during": [20] * 9, "after": [20]}


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        ({}, None),
        ({"during": [20] * 4 + [None] * 5}, None),
        ({"during": [20, 20, 20, 20, 31, 20, 20, 20, 20]}, "service took 31.0 MiB"),
        ({"during": [20, 20, 20, 20, 21, 21, 23, 24, 25]}, "grew by 3.0 MiB while the fault went on"),
        ({"after": [20, 23, 24, 24]}, "grew by 4.0 MiB from before the fault to the end"),
        ({"during": [20] * 5}, "the phase 'during' has 5 samples of service"),
        ({"during": []}, "the phase 'during' has 0 samples of service"),
        ({"before": []}, "expected samples of service before and after"),
        ({"after": [None]}, "expected samples of service before and after"),
        ({"before": [], "during": [None] * 9, "after": []}, "there are no samples of service"),
    ],
)
def test_memory_that_grows_or_was_not_looked_at(samples, found):
    def check():
        remembered(**STEADY | samples).check({"service": 30}, {"service": 2}, {"service": 3})

    if found is None:
        check()
    else:
        with pytest.raises(AssertionError, match=found):
            check()


def test_memory_that_cannot_be_looked_at():
    def pids():
        raise KeyError("service")

    memory = Memory(pids, lambda: "during")
    with pytest.raises(AssertionError, match="the memory could not be sampled") as raised, memory:
        time.sleep(3 * INTERVAL_SECONDS)
    assert isinstance(raised.value.__cause__, KeyError)


def test_the_memory_of_a_process_that_runs():
    phases = iter(["before"] * 8 + ["during"] * 12)
    memory = Memory(lambda: {"service": os.getpid()}, lambda: next(phases, "after"))
    with memory:
        time.sleep(30 * INTERVAL_SECONDS)
    memory.check({"service": 10_000}, {"service": 1000}, {"service": 1000})
    with pytest.raises(AssertionError, match="expected at most 1$"):
        memory.check({"service": 1}, {"service": 1000}, {"service": 1000})


def test_what_cannot_be_mounted_is_not_skipped_unless_told_so(tmp_path, monkeypatch):
    """With an `unshare` that is not allowed to, and with none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("FAULTS_SKIP", raising=False)
    with pytest.raises(pytest.fail.Exception, match="No such file.*\n.*FAULTS_SKIP=mounts"):
        needs_mounts()
    refusing = tmp_path / "unshare"
    refusing.write_text("#!/bin/sh\necho unshare: Operation not permitted >&2\nexit 1\n")
    refusing.chmod(0o755)
    with pytest.raises(pytest.fail.Exception, match="Operation not permitted\n.*FAULTS_SKIP=mounts"):
        needs_mounts()
    monkeypatch.setenv("FAULTS_SKIP", "mounts")
    with pytest.raises(pytest.skip.Exception):
        needs_mounts()
    monkeypatch.setenv("FAULTS_SKIP", "everything")
    with pytest.raises(AssertionError, match="expected mounts"):
        needs_mounts()


def test_a_service_that_permits_everyone_is_found(stage):
    """The whole of it, with real authorizers that believe a service which says yes to everything."""
    believed = stage.closing(SidebandService())
    believed.behaviour = misbehaving_service.permit
    scene = stage.scene(stage.serve(), gateways=1, authorizers=1, url=believed.url())
    with scene.running() as load:
        load.before(0.3)
        load.after(13)
    with pytest.raises(Broken, match="allowed what the policy denies"):
        scene.check(felt=False)
