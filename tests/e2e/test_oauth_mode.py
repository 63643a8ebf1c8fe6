"""The authorizer decides by itself, and API Gateway answers from its cache: every answer stays right."""

import itertools
import json
import random

import pytest
from conftest import FunctionError, eventually

CACHE_SECONDS = 300
DIALECTS = ["REST REQUEST", "REST TOKEN", "HTTP 2.0 IAM", "HTTP 1.0"]
CALLERS = ["nobody", "forged token", "bronze", "silver", "gold"]
PATHS = ["/planets", "/moons", "/asteroids", "/not-in-the-policy"]


@pytest.fixture(scope="module")
def stacks(system):
    oauth = system.oauth_parameters(CACHE_SECONDS)
    return {
        "request": system.deploy("oauth-request", **oauth),
        "token": system.deploy("oauth-token", **oauth | {"RestAuthorizerType": "TOKEN", "HttpPayloadFormat": "1.0"}),
    }


@pytest.fixture(scope="module")
def dialects(stacks):
    return {
        "REST REQUEST": stacks["request"].rest,
        "REST TOKEN": stacks["token"].rest,
        "HTTP 2.0 IAM": stacks["request"].http,
        "HTTP 1.0": stacks["token"].http,
    }


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_answer_is_right_in_every_order(system, dialects, callers, dialect, caller):
    """Three calls of every route, in an order in which the first call decides nothing."""
    api, caller = dialects[dialect], callers[caller]
    calls = PATHS * 3
    random.Random(f"{dialect} {caller.name}").shuffle(calls)
    for path in calls:
        expected, _ = api.expected(system.policy, path, caller)
        assert (path, api.call(path, caller.headers).status) == (path, expected)


@pytest.mark.parametrize("first", PATHS)
def test_whichever_route_comes_first(system, dialects, first):
    """A token that nobody has seen, so that the cache starts with the answer for that route."""
    silver = {"Authorization": f"Bearer {system.authorization_server.token('silver')}"}
    api = dialects["REST REQUEST"]
    for path in [first, *PATHS, *PATHS]:
        expected = system.policy.expected_status("GET", path, system.authorization_server.clients["silver"]["scopes"])
        assert (path, api.call(path, list(silver.items())).status) == (path, expected)


def test_the_cache_is_used(system, stacks):
    """Twelve calls with one token ask the function once."""
    apis = stacks["request"]
    headers = [("Authorization", f"Bearer {system.authorization_server.token('gold')}")]
    before = len(decisions(system, apis))
    for path in PATHS * 3:
        apis.rest.call(path, headers)
    eventually(lambda: len(decisions(system, apis)) > before)
    assert len(decisions(system, apis)) == before + 1


def test_the_log_says_for_what_an_answer_is_right_and_holds_no_token(system, stacks):
    token = system.authorization_server.token("silver")
    apis = stacks["request"]
    apis.rest.call("/moons", [("Authorization", f"Bearer {token}")])
    eventually(lambda: any(line["reason"] == "insufficient_scope" for line in decisions(system, apis)))
    lines = system.aws.log_lines(apis.authorizer_log_group)
    assert not any(token in line for line in lines)
    cached = {line["reason"]: line.get("cache") for line in decisions(system, apis)}
    assert cached["insufficient_scope"] == "credential"


def test_the_answer_is_one_policy_for_every_route(system, stacks, invoke):
    apis = stacks["request"]
    answers = [invoke(apis, event(path, system.authorization_server.token("silver"))) for path in PATHS]
    for one, other in itertools.pairwise(answers):
        assert one == other
    assert answers[0]["context"] == {"cache": "credential"}
    resources = [arn.rsplit("/prod/", 1)[1] for arn in answers[0]["policyDocument"]["Statement"][0]["Resource"]]
    assert sorted(resources) == ["GET/asteroids", "GET/planets"]


def test_what_is_no_token_is_unauthorized_and_not_cached(stacks, invoke):
    with pytest.raises(FunctionError, match="Unauthorized"):
        invoke(stacks["request"], event("/planets", "opaque"))


def event(path, token):
    return {
        "type": "REQUEST",
        "methodArn": f"arn:aws:execute-api:us-east-1:000000000000:abc/prod/GET{path}",
        "path": path,
        "httpMethod": "GET",
        "multiValueHeaders": {"Authorization": [f"Bearer {token}"]},
        "requestContext": {"path": f"/prod{path}", "stage": "prod", "apiId": "abc"},
    }


def decisions(system, apis):
    lines = [json.loads(line) for line in system.aws.log_lines(apis.authorizer_log_group) if line.startswith("{")]
    return [line for line in lines if line.get("message") == "decided"]
