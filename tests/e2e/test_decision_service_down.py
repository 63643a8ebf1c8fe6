"""The decision service dies and comes back."""

import json

import pytest

from conftest import eventually


@pytest.fixture
def without_decision_service(system):
    system.decision_service.kill()
    yield
    system.decision_service.start()


@pytest.mark.parametrize("dialect", ["REST REQUEST", "REST TOKEN", "HTTP 2.0 simple", "HTTP 2.0 IAM", "HTTP 1.0"])
def test_nothing_passes_while_it_is_down(system, dialects, callers, dialect):
    api = dialects[dialect]
    gold = callers["gold"].headers
    assert api.call("/planets", gold).status == 200
    system.decision_service.kill()
    try:
        for path in ("/planets", "/moons", "/asteroids"):
            answer = api.call(path, gold)
            assert answer.status == 500
            assert b"authorizer" not in answer.body
    finally:
        system.decision_service.start()
    assert api.call("/planets", gold).status == 200


def test_the_refusal_can_be_read_by_a_browser(apis, callers, without_decision_service):
    answer = apis.rest.call("/planets", callers["gold"].headers)
    assert answer.status == 500
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.json() == {"message": "The request could not be authorized"}


def test_the_authorizer_says_why(system, apis, callers, without_decision_service):
    before = problems(system, apis)
    assert apis.rest.call("/planets", callers["gold"].headers).status == 500
    eventually(lambda: problems(system, apis) > before)


def problems(system, apis):
    """How many warnings and errors the authorizer has logged."""
    lines = system.aws.log_lines(apis.authorizer_log_group)
    records = [json.loads(line) for line in lines if line.startswith("{")]
    return sum(record.get("level") in ("WARN", "ERROR") for record in records)
