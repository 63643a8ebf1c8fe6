"""Who may call what: every caller, route and dialect, compared with the text of the policy."""

import pytest

DIALECTS = ["REST REQUEST", "REST TOKEN", "HTTP 2.0 simple", "HTTP 2.0 IAM", "HTTP 1.0"]
CALLERS = ["nobody", "forged token", "bronze", "silver", "gold"]


@pytest.mark.parametrize("path", ["/planets", "/moons", "/asteroids", "/not-in-the-policy"])
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_answer_is_what_the_policy_says(system, dialects, callers, dialect, caller, path):
    api = dialects[dialect]
    caller = callers[caller]
    answer = api.call(path, caller.headers)
    expected, _ = api.expected(system.policy, path, caller)
    assert answer.status == expected
    if answer.status == 200:
        assert path.strip("/") in answer.json()


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_method_that_the_policy_does_not_name_is_denied(dialects, callers, dialect, method):
    gold = callers["gold"].headers
    assert dialects[dialect].call("/planets", gold, method).status == 403
    override = [*gold, ("X-HTTP-Method-Override", "GET")]
    assert dialects[dialect].call("/planets", override, method).status == 403


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_query_string_changes_nothing(dialects, callers, dialect):
    api = dialects[dialect]
    assert api.call("/planets?a=1&a=2&b=%20x&c", callers["silver"].headers).status == 200
    assert api.call("/moons?/../planets&x=%2Fplanets", callers["silver"].headers).status == 403


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_permit_is_for_one_request(dialects, callers, dialect):
    """Neither the next route nor the next caller profits from a permit."""
    api = dialects[dialect]
    for _ in range(3):
        assert api.call("/planets", callers["silver"].headers).status == 200
        assert api.call("/moons", callers["silver"].headers).status == 403
        assert api.call("/planets", callers["bronze"].headers).status == 403
