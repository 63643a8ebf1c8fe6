"""Requests that no honest client sends. None of them may reach more than the policy allows."""

import base64
import json

import pytest

from conftest import FunctionError, lets_through
from test_refusals import rest_event

DIALECTS = ["REST REQUEST", "REST TOKEN", "HTTP 2.0 simple", "HTTP 2.0 IAM", "HTTP 1.0"]

# Other ways to write the path of the moons, which silver may not see, and of things beside it.
MOONS_IN_DISGUISE = [
    "//moons",
    "/./moons",
    "/moons/",
    "/moons//",
    "/moons/.",
    "/MOONS",
    "/%6doons",
    "/%6Doons",
    "/%6D%6F%6F%6E%73",
    "/%256doons",
    "/moons;x=1",
    "/moons%00",
    "/moons%20",
    "/moons%3Fx",
    "/moons%23x",
    "/moons#x",
    "/moons?planets",
    "/planets/../moons",
    "/planets/%2e%2e/moons",
    "/planets/%2E%2E/moons",
    "/planets%2f..%2fmoons",
    "/planets%2F..%2Fmoons",
    "/planets/..%2fmoons",
    "/planets%3F/../moons",
    "/planets%3Fx/moons",
    "/planets%23/moons",
    "/planets#/moons",
    "/planets;/../moons",
    "/planets%5c..%5cmoons",
    "/planets\\..\\moons",
    "/planets//moons",
    "/planets/moons",
    "/asteroids/../moons",
    "/@evil.example/moons",
    "//evil.example/moons",
]


@pytest.mark.parametrize("path", MOONS_IN_DISGUISE)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_spelling_of_the_path_shows_silver_the_moons(dialects, callers, dialect, path):
    answer = dialects[dialect].call(path, callers["silver"].headers)
    assert answer.status in (400, 401, 403, 404, 414, 500), answer.body
    assert b"Phobos" not in answer.body


@pytest.mark.parametrize("path", ["/planets/../asteroids", "//asteroids", "/%61steroids", "/asteroids%2f", "/asteroids/"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_spelling_of_the_path_does_without_a_token(dialects, callers, dialect, path):
    for caller in ("nobody", "forged token"):
        answer = dialects[dialect].call(path, callers[caller].headers)
        assert answer.status in (400, 401, 403, 404, 500), answer.body
        assert b"Ceres" not in answer.body


@pytest.mark.parametrize("dialect", DIALECTS)
def test_two_authorization_headers(dialects, callers, dialect):
    silver, gold = (callers[name].headers[0] for name in ("silver", "gold"))
    for headers in ([silver, gold], [gold, silver], [gold, gold], [("Authorization", "Bearer x"), gold]):
        assert dialects[dialect].call("/moons", headers).status in (401, 403, 500)


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic Z29sZDpnb2xk", "Bearer x", "Bearer a.b.c", "Bearer ..", "Bearer \xff\xfe"],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_not_a_token(dialects, dialect, authorization):
    api = dialects[dialect]
    # API Gateway itself refuses an empty header, with 401.
    status = api.call("/asteroids", [("Authorization", authorization)]).status
    assert status == (api.unauthenticated.status if authorization else 401)


def test_tokens_that_no_key_signed(apis, callers):
    header, claims, signature = token_of(callers["gold"]).split(".")
    unsigned = encode({"alg": "none", "typ": "at+jwt"})
    embedded = encode({"alg": "RS256", "typ": "at+jwt", "jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}})
    for token in (
        f"{unsigned}.{claims}.",
        f"{unsigned}.{claims}.{signature}",
        f"{embedded}.{claims}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}.{signature[:-4]}",
        f"{header}.{claims}.{signature}.",
        f"{header}.{claims}.{signature}=",
        f"{header}.{claims}",
    ):
        assert apis.rest.call("/asteroids", [("Authorization", f"Bearer {token}")]).status == 401, token


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_token_of_50_kb(dialects, dialect):
    status = dialects[dialect].call("/asteroids", [("Authorization", "Bearer " + "a" * 50_000)]).status
    assert status in (401, 403, 500)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_token_of_100_kb_through_the_gateway(dialects, dialect):
    """More than the local API Gateway takes, which answers 431 by itself."""
    answer = dialects[dialect].call("/asteroids", [("Authorization", "Bearer " + "a" * 100_000)])
    assert answer.status in (401, 403, 431, 500)


def test_a_token_of_100_kb_in_the_function(apis, callers, invoke):
    event = rest_event(callers["gold"], "/asteroids")
    event["headers"] = {"Authorization": "Bearer " + "a" * 100_000}
    event["multiValueHeaders"] = {"Authorization": ["Bearer " + "a" * 100_000]}
    assert refused(invoke, apis, event)


def test_two_authorization_headers_as_aws_sends_them(apis, callers, invoke):
    event = rest_event(callers["gold"], "/moons")
    assert lets_through(invoke(apis, event)), "the event itself is good"
    event["multiValueHeaders"]["Authorization"] *= 2
    assert refused(invoke, apis, event)


@pytest.mark.parametrize(
    "event",
    [
        {},
        [],
        "text",
        None,
        {"type": "REQUEST"},
        {"type": "TOKEN"},
        {"type": "OTHER", "methodArn": "arn:aws:execute-api:us-east-1:000000000000:a/s/GET/planets"},
        {"type": "REQUEST", "version": "3.0", "routeArn": "arn:aws:execute-api:us-east-1:000000000000:a/s/GET/planets"},
        {"type": "TOKEN", "authorizationToken": "Bearer x", "methodArn": "not an arn"},
        {"version": "2.0", "rawPath": "/planets", "requestContext": {"http": {"method": "GET"}}},
        {"Records": [{"cf": {"request": {"uri": "/planets"}}}]},
    ],
)
def test_an_event_of_unknown_shape(apis, invoke, event):
    assert refused(invoke, apis, event)


def test_a_rest_event_with_nulls_for_empty_maps(apis, callers, invoke):
    """The console's test button sends these, and so do some emulators."""
    event = rest_event(callers["gold"], "/moons")
    for name in ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables"):
        event[name] = None
    assert lets_through(invoke(apis, event))


def refused(invoke, apis, event):
    try:
        result = invoke(apis, event)
    except FunctionError:
        return True
    return not lets_through(result)


def token_of(caller):
    return caller.headers[0][1].removeprefix("Bearer ")


def encode(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
