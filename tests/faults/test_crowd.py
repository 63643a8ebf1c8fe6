"""A thousand clients at once: more than the service takes connections (900) and far more than it decides at once.

docs/decision-service.md, "Limits": "more wait in the system's queue", and beyond `--max-requests` "a request waits up to 100
ms, then 429". Neither is a permit. Memory is that of the connections; and who comes after the crowd is answered at once.
"""

import time

import checker
from clients import Gateway
from crowd import Crowd, allow_open_files, wait_until
from ledger import DENY, NONE, PERMIT

SIZE = 1000
MAX_REQUESTS = 64
# It is about a half on two processors that have nothing else to do.
DECIDED_SHARE = 0.1
# 900 connections with their buffers: 47 to 56 MiB on x86-64.
SERVICE_MIB = 96
SERVICE_GROWTH_MIB = 24
# What is left of it when they have gone: 11 MiB.
SERVICE_WHOLE_MIB = 24
# A normal answer takes some milliseconds; this is for a machine that is busy.
AT_ONCE_SECONDS = 1.0


def test_a_thousand_clients_at_once(stage, seconds):
    allow_open_files(4096)
    service = stage.serve(arguments=["--max-requests", str(MAX_REQUESTS)])
    scene = stage.scene(service, gateways=1, authorizers=1)
    with scene.running() as load:
        load.before(seconds.before)
        with Crowd(service, scene.ledger, load.cases, SIZE) as crowd:
            wait_until(lambda: crowd.most == SIZE, f"{SIZE} connections at once")
            load.go_on(seconds.fault)
        newcomer(service, scene)
        load.recovered()
        load.after()
    checker.refuse("denied what the policy permits", (
        line for line in scene.ledger.lines if line.permitted and line.reply and line.reply.outcome == DENY
    ))
    crowd = scene.lines_of("during", "crowd")
    checker.check_a_crowd_was_decided_on(crowd, load.cases, DECIDED_SHARE)
    refused = {line.reply.note for line in crowd if line.reply.outcome == NONE}
    assert refused == {"status 429"}, refused
    scene.check(
        felt=False, service_mib=SERVICE_MIB, service_growth_mib=SERVICE_GROWTH_MIB, service_whole_mib=SERVICE_WHOLE_MIB,
    )
    assert service.metric('portcullis_decision_records_total{result="dropped"}') == 0


def newcomer(service, scene):
    """The first request of a client that comes when the crowd has gone."""
    client = Gateway(99, service.endpoint.port, service.credential)
    permitted = next(case for case in scene.load.cases if case.permitted)
    line = scene.ledger.send(client, permitted, "newcomer")
    started = time.monotonic()
    scene.ledger.answer(line, client.ask(line), "newcomer")
    assert line.reply.outcome == PERMIT, line
    assert time.monotonic() - started < AT_ONCE_SECONDS, line
    client.stop()
