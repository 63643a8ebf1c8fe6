"""What becomes of a decision at the edge: is a permit carried out, is a deny answered in full, and is neither ever an answer that
CloudFront refuses?

The runner of tests/edge says 502 where CloudFront would, which fails every test here (`Function`).
"""

import json
import urllib.parse

import pytest

import misbehaving_service as behaviours
from edge_package import EdgeFunctions

CREDENTIAL = "gateway-credential-of-the-tests"
HOST = "api.example"
KIB = 1024
# What a decision says and no log may.
VALUE = "value-of-a-header"
STEP_UP = 'Bearer error="insufficient_user_authentication", acr_values="strong stronger", max_age="300"'


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    functions = EdgeFunctions(tmp_path_factory)
    functions.secrets.update({CREDENTIAL, VALUE})
    yield functions
    functions.stop()


@pytest.fixture(autouse=True)
def honest_again(service, edge):
    yield
    service.behaviour = behaviours.permit
    service.calls.clear()
    edge.origin.calls.clear()


@pytest.fixture(scope="module")
def run(edge, service):
    """Runs the function with more settings than it needs."""

    def call(*options, **settings):
        package = edge.package({"SERVICE_URL": service.url(), "SECRET_HEADER_VALUE": CREDENTIAL} | settings)
        return edge.run(package, f"--alias={HOST}", "--forward-host", *options)

    return call


@pytest.fixture(scope="module")
def function(run):
    return run("--include-body")


def denying(code=403, headers=(), body=""):
    """A service that denies with that response."""
    response = {
        "response_code": str(code),
        "response_status": "Whatever",
        "http_version": "1.1",
        "headers": [{name: value} for name, value in headers],
        "body": body,
    }
    return behaviours.permit_with(response=response)


def editing(change, **members):
    """A service that permits a request with `change` made to its headers, a function of the list of pairs."""

    def behave(handler, request):
        echo = json.loads(request)
        pairs = [pair for header in echo["headers"] for pair in header.items()]
        echo |= {"headers": [{name: value} for name, value in change(pairs)]} | members
        behaviours.answer(handler, 200, json.dumps(echo).encode())

    return behave


def setting(**headers):
    """The same, with these headers added, whose names have _ for -."""
    return editing(lambda pairs: [*pairs, *((name.replace("_", "-"), value) for name, value in headers.items())])


def refused(reply, status):
    """The answer where a decision cannot be carried out."""
    assert (reply.outcome, reply.status, reply.body) == ("generated", status, b"")
    assert reply.log.metric == "error"
    (problem,) = reply.log.texts("ERROR")
    return problem


# --- denies


def test_a_deny_is_answered_as_it_was_decided(function, service, edge):
    challenges = ['Bearer realm="a", error="invalid_token"', 'DPoP algs="ES256"']
    headers = [("WWW-Authenticate", challenges[0]), ("X-One", "1"), ("WWW-Authenticate", challenges[1]), ("X-One", "2"),
               ("Content-Type", "application/problem+json"), ("Cache-Control", "max-age=1")]
    service.behaviour = denying(401, headers, '{"title": "no"}')
    reply = function.call()
    assert (reply.status, reply.body) == (401, b'{"title": "no"}')
    assert reply.header("www-authenticate") == ", ".join(challenges)
    assert reply.header("x-one") == "1, 2"
    assert reply.header("content-type") == "application/problem+json"
    assert reply.header("cache-control") == "max-age=1"
    assert (reply.log.decided["status"], reply.log.metric) == (401, "unauthorized")
    assert edge.origin.calls == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [('{"a": 1}', "application/json"), ("<p>no</p>", "text/plain; charset=utf-8"), ("", None)],
)
def test_what_a_deny_does_not_say(function, service, body, content_type):
    """A body never becomes a page of HTML by a browser's guess, and no answer is kept."""
    service.behaviour = denying(403, body=body)
    reply = function.call()
    assert (reply.status, reply.body, reply.header("content-type")) == (403, body.encode(), content_type)
    assert reply.header("cache-control") == "no-store"


@pytest.mark.parametrize("code", [200, 204, 205, 302, 304, 400, 404, 418, 429, 451])
def test_every_status_that_a_deny_may_have(function, service, edge, code):
    service.behaviour = denying(code, [("Location", "/elsewhere")], "no")
    reply = function.call()
    assert (reply.outcome, reply.status) == ("generated", code)
    bodiless = code in (204, 205, 304)
    assert reply.body == (b"" if bodiless else b"no")
    assert ("body left out" in str(reply.log.texts("WARN"))) == bodiless
    assert edge.origin.calls == []


@pytest.mark.parametrize("code", ["100", "199", "600", "-1", "abc", None, "500", "503"])
def test_a_status_that_no_deny_may_have(function, service, code):
    """A server error of the decision point is no decision."""
    service.behaviour = denying(code, body="no")
    assert "no decision could be had" in refused(function.call(), 503)


def test_head_gets_no_body(function, service):
    service.behaviour = denying(403, body="no")
    assert function.call(method="HEAD").body == b""


# Names as decision points write them, and what the log has to say of them.
NOT_IN_A_RESPONSE = {
    "Connection": "CloudFront does not let functions set it",
    "X-Cache": "CloudFront does not let functions set it",
    "X-Amz-Cf-Id": "CloudFront does not let functions set it",
    "X-Edge-Location": "CloudFront does not let functions set it",
    "X-Accel-Redirect": "CloudFront does not let functions set it",
    "Proxy-Authenticate": "CloudFront does not let functions set it",
    "Via": "it is not for a function to set in a response",
    "Host": "it is not for a function to set in a response",
    "CDN-Loop": "it is not for a function to set in a response",
    "Warning": "it is not for a function to set in a response",
}
# How the decision point framed its own message: nobody could mean that, so nobody is told.
FRAMING = ["Content-Encoding", "Content-Length", "Transfer-Encoding"]


def test_headers_that_no_response_may_have_are_left_out(function, service):
    """They are named in the log, without what they hold, and the rest of the answer stays."""
    named = [(name, VALUE) for name in [*NOT_IN_A_RESPONSE, *FRAMING]]
    service.behaviour = denying(403, [*named, ("X-Kept", "1")], "no")
    reply = function.call()
    assert (reply.status, reply.body, reply.header("x-kept")) == (403, b"no", "1")
    assert all(reply.header(name) != VALUE for name, _ in named)
    expected = [f"header {name.lower()} left out: {why}" for name, why in NOT_IN_A_RESPONSE.items()]
    assert sorted(reply.log.texts("WARN")) == sorted(expected)


@pytest.mark.parametrize("character", ["x", "\u00e9", '"', "\n"])
def test_a_body_over_40_kb_is_cut(function, service, character):
    """With a notice, and between two characters, whatever JSON makes of them."""
    service.behaviour = denying(403, body=character * 80_000)
    reply = function.call()
    assert (reply.outcome, reply.status) == ("generated", 403)
    text = reply.body.decode()
    assert 15_000 < len(text) < 40_000 and set(text) == {character}
    assert any("body cut" in warning for warning in reply.log.texts("WARN"))


def test_headers_over_40_kb_leave_no_answer_but_a_403(function, service):
    service.behaviour = denying(401, [(f"X-{number}", "v" * 4000) for number in range(12)])
    assert "the headers of the decision take" in refused(function.call(), 403)


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rb", "a\0b"])
def test_a_header_of_a_deny_with_a_line_end(function, service, value):
    """Nothing is split, and nothing is let through."""
    service.behaviour = denying(403, [("X-A", value)])
    reply = function.call()
    assert "no decision could be had" in refused(reply, 503)
    assert reply.header("x-injected") is None


def test_a_name_of_a_header_that_is_none(function, service):
    service.behaviour = denying(403, [("X A", "1")])
    refused(function.call(), 503)


# --- permits


def test_headers_that_a_permit_sets_changes_and_removes(function, service, edge):
    def change(pairs):
        kept = [(name, value) for name, value in pairs if name.lower() not in ("x-tier", "x-gone")]
        return [*kept, ("X-Tier", "silver"), ("X-Tier", "gold"), ("X-New", "\u00e9 ; ,")]

    service.behaviour = editing(change)
    reply = function.call(headers=[("X-Tier", "platinum"), ("X-Gone", "1"), ("X-Kept", "1")])
    assert reply.outcome == "forwarded"
    (call,) = edge.origin.calls
    names = ("x-tier", "x-gone", "x-kept", "host")
    assert {name: call.values(name) for name in names} == {
        "x-tier": ["silver", "gold"], "x-gone": [], "x-kept": ["1"], "host": [HOST],
    }
    assert call.values("x-new")[0].encode("latin-1").decode() == "\u00e9 ; ,"
    assert not reply.log.texts("WARN")


def test_what_a_client_sends_under_a_like_name_goes(function, service, edge):
    """Many backends take X_Tier for X-Tier."""
    service.behaviour = setting(X_Tier="silver")
    reply = function.call(headers=[("X_Tier", "gold"), ("x_tier", "gold")])
    (call,) = edge.origin.calls
    assert (call.values("x-tier"), call.values("x_tier")) == (["silver"], [])
    assert "header x_tier removed" in str(reply.log.texts("WARN"))


@pytest.mark.parametrize("name", ["X-Cache", "X-Edge-A", "X-Amz-Cf-Id", "X-Real-IP", "X-Forwarded-Proto", "Upgrade", "Client-Cert"])
def test_a_header_that_functions_must_not_set(function, service, edge, name):
    """The request goes on without it, and the log names it."""
    service.behaviour = setting(**{name.replace("-", "_"): VALUE})
    reply = function.call()
    assert reply.outcome == "forwarded"
    assert VALUE not in [value for _, value in edge.origin.calls[0].headers]
    assert f"header {name.lower()} left out" in str(reply.log.texts("WARN"))


@pytest.mark.parametrize("name", ["Host", "Via", "CDN-Loop"])
def test_a_header_that_functions_must_not_change(function, service, edge, name):
    """It stays what the client sent."""
    client = [("Via", "1.1 proxy"), ("CDN-Loop", "one")]

    def change(pairs):
        return [(each, VALUE if each.lower() == name.lower() else value) for each, value in pairs]

    service.behaviour = editing(change)
    reply = function.call(headers=client)
    assert reply.outcome == "forwarded"
    assert VALUE not in str(edge.origin.calls[0].headers)
    assert f"header {name.lower()} left as it was" in str(reply.log.texts("WARN"))


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "a\0b"])
def test_a_header_of_a_permit_with_a_line_end(function, service, edge, value):
    service.behaviour = setting(X_A=value)
    assert "no decision could be had" in refused(function.call(), 503)
    assert edge.origin.calls == []


def test_headers_that_make_the_request_too_large(function, service, edge):
    """CloudFront would not forward it; without them it would not be what was decided."""
    service.behaviour = editing(lambda pairs: [*pairs, *((f"X-{number}", "v" * 4000) for number in range(6))])
    assert "at most 20480 are forwarded" in refused(function.call(), 503)
    assert edge.origin.calls == []


def url(target, origin=f"https://{HOST}"):
    """A service that permits the request at another URL."""
    return behaviours.permit_with(url=origin + target)


@pytest.mark.parametrize("target", ["/moons", "/things?a=2&c=%C3%A9", "/things", "/a%20b?x", "/things?" + "q" * 8000])
def test_a_permit_changes_path_and_query(function, service, edge, target):
    service.behaviour = url(target)
    assert function.call("/things?a=1&b=1").outcome == "forwarded"
    assert edge.origin.calls[0].target == target


@pytest.mark.parametrize(
    ("target", "origin"),
    [
        ("/things", "https://other.example"),
        ("/things", f"http://{HOST}"),
        ("/things", f"https://{HOST}:8443"),
        ("/things", f"https://user@{HOST}"),
        ("/th ings", f"https://{HOST}"),
        ("/things#fragment", f"https://{HOST}"),
        ("/things\r\nX-Injected: 1", f"https://{HOST}"),
        ("/th\u00efngs", f"https://{HOST}"),
        ("things", ""),
        ("", ""),
        ("/things?" + "q" * 9000, f"https://{HOST}"),
    ],
)
def test_a_url_that_no_function_can_send_a_request_to(function, service, edge, target, origin):
    service.behaviour = url(target, origin)
    problem = refused(function.call(), 503)
    assert "other.example" not in problem and "Injected" not in problem
    assert edge.origin.calls == []


@pytest.mark.parametrize("text", ["", "changed", '{"note": "\u00e9"}', "x" * 40_000])
def test_a_permit_changes_the_body(function, service, edge, text):
    service.behaviour = behaviours.permit_with(body=text)
    assert function.call(method="PUT", body=b"sent").outcome == "forwarded"
    (call,) = edge.origin.calls
    assert call.body == text.encode()
    assert call.values("content-length") == [str(len(text.encode()))]


def test_a_body_that_no_function_can_replace(function, run, service, edge):
    """It is too long, or the trigger does not include bodies."""
    service.behaviour = behaviours.permit_with(body="x" * 41_000)
    assert "at most 40000 are forwarded" in refused(function.call(method="PUT", body=b"sent"), 503)
    service.behaviour = behaviours.permit_with(body="changed")
    assert "set the trigger of the function to include the body" in refused(run().call(method="PUT", body=b"sent"), 503)
    assert edge.origin.calls == []


@pytest.mark.parametrize("member", [{"method": "POST"}, {"source_ip": "192.0.2.99"}, {"http_version": "2"}])
def test_an_echo_of_another_request_is_no_permit(function, service, edge, member):
    service.behaviour = behaviours.permit_with(**member)
    assert f"member {next(iter(member))}" in refused(function.call(), 503)
    assert edge.origin.calls == []


# --- browsers


LOGIN = "https://login.example/start?client=edge"
BROWSER = [("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")]


@pytest.fixture(scope="module")
def with_login(run):
    return run(PORTCULLIS_LOGIN_URL=LOGIN)


def test_a_browser_without_a_token_is_sent_to_the_login_page(with_login, service, edge):
    service.behaviour = denying(401, [("WWW-Authenticate", "Bearer"), ("Set-Cookie", "a=1")], "no")
    reply = with_login.call("/things?a=%20&b=1", BROWSER)
    assert (reply.outcome, reply.status, reply.body) == ("generated", 302, b"")
    page, query = reply.header("location").split("?")
    assert page == "https://login.example/start"
    assert urllib.parse.parse_qsl(query) == [("client", "edge"), ("return_to", f"https://{HOST}/things?a=%20&b=1")]
    assert (reply.header("www-authenticate"), reply.header("set-cookie")) == (None, "a=1")
    assert reply.header("cache-control") == "no-store"
    assert (reply.log.decided["status"], reply.log.metric) == (401, "unauthorized")
    assert edge.origin.calls == []


def test_the_login_page_learns_what_a_step_up_asks_for(with_login, service):
    service.behaviour = denying(401, [("WWW-Authenticate", STEP_UP)])
    query = with_login.call("/things", BROWSER).header("location").split("?")[1]
    asked = dict(urllib.parse.parse_qsl(query))
    assert (asked["acr_values"], asked["max_age"]) == ("strong stronger", "300")


@pytest.mark.parametrize(
    ("method", "accept"),
    [
        ("GET", "application/json"),
        ("GET", "*/*"),
        ("GET", None),
        ("GET", "application/json, text/html;q=0.9"),
        ("GET", "text/html, application/json"),
        ("POST", "text/html"),
        ("OPTIONS", "text/html"),
    ],
)
def test_an_api_client_gets_the_401(with_login, service, method, accept):
    service.behaviour = denying(401, [("WWW-Authenticate", STEP_UP)], "no")
    headers = [("Accept", accept)] if accept else []
    reply = with_login.call("/things", headers, method=method)
    assert (reply.status, reply.body, reply.header("www-authenticate")) == (401, b"no", STEP_UP)
    assert reply.header("location") is None


def test_a_browser_that_may_not_is_told_so(with_login, service):
    """To log in again would not help."""
    service.behaviour = denying(403, body="no")
    reply = with_login.call("/things", BROWSER)
    assert (reply.status, reply.header("location")) == (403, None)


def test_the_login_page_behind_the_same_distribution_is_not_sent_to_itself(run, service):
    service.behaviour = denying(401)
    function = run(PORTCULLIS_LOGIN_URL=f"https://{HOST}/login")
    assert function.call("/login?return_to=x", BROWSER).status == 401
    assert function.call("/login/more", BROWSER).status == 302


def test_a_url_too_long_to_be_passed_on_is_left_out(with_login, service):
    service.behaviour = denying(401)
    reply = with_login.call("/things?" + "%20" * 2600, BROWSER)
    assert (reply.status, reply.header("location")) == (302, LOGIN)
    assert any("return_to left out" in warning for warning in reply.log.texts("WARN"))
