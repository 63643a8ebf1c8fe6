"""What the caller sees of a refusal, and what the backend sees of a permit."""

import json
import re

import pytest

from conftest import change_setting

BROWSER = [("Origin", "https://app.example")]


def test_rest_401_can_be_read_by_a_browser(apis):
    answer = apis.rest.call("/planets", BROWSER)
    assert answer.status == 401
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("WWW-Authenticate") == "Bearer"
    assert "WWW-Authenticate" in answer.header("Access-Control-Expose-Headers")
    assert answer.json() == {"message": "Unauthorized"}


def test_rest_403_can_be_read_by_a_browser(apis, callers):
    answer = apis.rest.call("/moons", BROWSER + callers["silver"].headers)
    assert answer.status == 403
    assert answer.header("Access-Control-Allow-Origin") == "*"
    # MiniStack leaves the authorizer's context as it stands in the template.
    assert answer.json() == {"message": "$context.authorizer.message", "reason": "$context.authorizer.reason"}


def test_http_api_refusals_have_their_status(apis, callers):
    assert apis.http.call("/planets", BROWSER).status == 401
    answer = apis.http.call("/moons", BROWSER + callers["silver"].headers)
    assert answer.status == 403
    assert answer.json() == {"message": "Forbidden"}


def test_a_preflight_needs_no_token(system, apis):
    # MiniStack drops the CorsConfiguration of a template.
    system.aws.client("apigatewayv2").update_api(
        ApiId=apis.http.host.split(".")[0], CorsConfiguration={"AllowOrigins": ["*"], "AllowMethods": ["GET"]}
    )
    answer = apis.http.call("/planets", [*BROWSER, ("Access-Control-Request-Method", "GET")], method="OPTIONS")
    assert answer.status in (200, 204)
    assert answer.header("Access-Control-Allow-Origin") == "*"


def test_a_deny_names_its_reason_in_the_context(system, apis, callers, invoke):
    """The keys that the gateway responses of the template show."""
    result = invoke(apis, rest_event(callers["silver"], "/moons"))
    assert result["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    context = result["context"]
    assert context["reason"] == "insufficient_scope"
    # The same id is in the log line of the decision service.
    assert re.fullmatch("[0-9a-f-]{36}", context["decision_id"])
    assert context["status"] == 403
    assert 'error="insufficient_scope"' in context["challenge"]
    assert context["message"]
    # The message goes into a JSON template between quotes that nobody escapes.
    assert json.loads(f'"{context["message"]}"') == context["message"]


@pytest.mark.parametrize("dialect", ["REST REQUEST", "REST TOKEN", "HTTP 2.0 simple", "HTTP 2.0 IAM", "HTTP 1.0"])
def test_the_backend_never_gets_the_token_in_the_context(dialects, callers, dialect):
    answer = dialects[dialect].call("/planets", callers["silver"].headers)
    assert answer.status == 200
    token = callers["silver"].headers[0][1].removeprefix("Bearer ")
    assert token not in json.dumps(answer.json()["authorizer"])


@pytest.mark.parametrize("debug", ["false", "true"])
def test_neither_token_nor_credential_is_logged(system, apis, callers, debug):
    before = change_setting(system, apis, "IS_DEBUG_ENABLED", debug)
    try:
        for api in (apis.rest, apis.http):
            api.call("/planets", callers["silver"].headers)
            api.call("/moons", callers["silver"].headers)
            api.call("/moons", callers["forged token"].headers)
    finally:
        change_setting(system, apis, "IS_DEBUG_ENABLED", before)
    authorizer = "\n".join(system.aws.log_lines(apis.authorizer_log_group))
    assert "START RequestId" in authorizer, "the log was read"
    for log in (authorizer, system.decision_service.process.log()):
        assert system.decision_service.credential not in log
        for caller in ("silver", "forged token"):
            for part in callers[caller].headers[0][1].removeprefix("Bearer ").split("."):
                assert part not in log


def rest_event(caller, path):
    """The event of a REST API's REQUEST authorizer."""
    return {
        "type": "REQUEST",
        "methodArn": f"arn:aws:execute-api:us-east-1:000000000000:abcd123456/demo/GET{path}",
        "resource": path,
        "path": path,
        "httpMethod": "GET",
        "headers": dict(caller.headers),
        "multiValueHeaders": {name: [value] for name, value in caller.headers},
        "queryStringParameters": {},
        "multiValueQueryStringParameters": {},
        "pathParameters": {},
        "stageVariables": {},
        "requestContext": {
            "path": f"/demo{path}",
            "accountId": "000000000000",
            "resourceId": "abc123",
            "stage": "demo",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "resourcePath": path,
            "httpMethod": "GET",
            "apiId": "abcd123456",
            "domainName": "abcd123456.execute-api.us-east-1.amazonaws.com",
            "protocol": "HTTP/1.1",
            "identity": {"sourceIp": "127.0.0.1", "userAgent": "test"},
        },
    }
