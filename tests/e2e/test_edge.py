"""Does the edge package start with the settings that it should, answer whatever comes, and survive what breaks in it?

The service that it asks permits everything here. What becomes of other answers is in test_edge_answers.py, of none in
test_edge_service.py.
"""

import base64
import json

import pytest

from edge_package import UNAVAILABLE, EdgeFunctions, viewer_request
from misbehaving_service import permit

CREDENTIAL = "gateway-credential-of-the-tests"
HOST = "api.example"
KIB = 1024


@pytest.fixture(autouse=True)
def honest_again(service, edge):
    yield
    service.behaviour = permit
    service.calls.clear()
    edge.origin.calls.clear()


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    functions = EdgeFunctions(tmp_path_factory)
    functions.secrets.add(CREDENTIAL)
    yield functions
    functions.stop()


@pytest.fixture(scope="module")
def settings(service):
    """What every function needs."""
    return {"SERVICE_URL": service.url(), "SECRET_HEADER_VALUE": CREDENTIAL}


@pytest.fixture(scope="module")
def package(edge, settings):
    return edge.package(settings)


@pytest.fixture(scope="module")
def fed(edge, package):
    """The function, for events that no client could make CloudFront write."""
    return edge.feed(package)


@pytest.fixture(scope="module")
def served(edge, package):
    return edge.run(package, f"--alias={HOST}", "--include-body")


# --- config.js


def test_the_settings_of_pingones_kit_edited_by_hand(edge, service):
    """The zip without settings, unpacked, with the four names of the kit filled in as its page says."""
    folder, copy = edge.unpacked(edge.by_hand())
    config = folder / "config.js"
    text = config.read_text()
    for before, after in {
        "SECRET_HEADER_VALUE: ''": f"SECRET_HEADER_VALUE: '{CREDENTIAL}'",
        "SERVICE_URL: ''": f"SERVICE_URL: '{service.url()}/'",
        "IS_DEBUG_ENABLED: false": "IS_DEBUG_ENABLED: true",
        "MAX_RETRIES: 1": "MAX_RETRIES: 0",
    }.items():
        assert before in text
        text = text.replace(before, after)
    config.write_text(text)
    function = edge.run(copy)
    reply = function.call("/things")
    assert (reply.status, reply.outcome) == (200, "forwarded")
    (path, headers, _), = service.calls
    assert path == "/sideband/request"
    assert {name.lower(): value for name, value in headers.items()}["client-token"] == CREDENTIAL
    # IS_DEBUG_ENABLED: each exchange is logged. MAX_RETRIES: nothing is asked twice.
    assert reply.log.line("asked the decision point")["status"] == 200
    service.behaviour = lambda handler, _: handler.send_error(500)
    assert function.call("/things").status == 503
    assert len(service.calls) == 2


def test_a_package_that_nobody_filled_in_answers_503(edge):
    run = edge.feed(edge.by_hand()).event(viewer_request())
    assert run["result"] == UNAVAILABLE
    assert "SERVICE_URL" in run["log"].texts("ERROR")[0]


# The settings as text, and what the log has to name. `hunter2` is whatever must not be shown.
BROKEN = {
    "text where a Boolean belongs": (
        "module.exports = { SECRET_HEADER_VALUE: 'hunter2', SERVICE_URL: 'https://a.example', IS_DEBUG_ENABLED: 'hunter2' };",
        "config.js: IS_DEBUG_ENABLED is a text: expected true or false",
    ),
    "text where a number belongs": (
        "module.exports = { SECRET_HEADER_VALUE: 'hunter2', SERVICE_URL: 'https://a.example', MAX_RETRIES: 'hunter2' };",
        "config.js: MAX_RETRIES is a text: expected a whole number",
    ),
    "unknown name": (
        "module.exports = { SECRET_HEADER_VALUE: 'hunter2', SERVICE_URI: 'https://hunter2.example' };",
        "config.js: SERVICE_URI is no setting; did you mean SERVICE_URL?",
    ),
    "no SERVICE_URL": ("module.exports = { SECRET_HEADER_VALUE: 'hunter2' };", "config.js: SERVICE_URL is not set"),
    "no credential": (
        "module.exports = { SERVICE_URL: 'https://a.example' };",
        "config.js: SECRET_HEADER_VALUE is not set",
    ),
    "credential of more than one line": (
        "module.exports = { SECRET_HEADER_VALUE: 'hunter2\\nhunter2', SERVICE_URL: 'https://a.example' };",
        "config.js: SECRET_HEADER_VALUE",
    ),
    "password in the URL": (
        "module.exports = { SECRET_HEADER_VALUE: 'hunter2', SERVICE_URL: 'https://user:hunter2@a.example' };",
        "config.js: SERVICE_URL",
    ),
    # The messages of JavaScript quote what they do not understand.
    "unquoted text": (
        "module.exports = {\n  SECRET_HEADER_VALUE: hunter2,\n};",
        "config.js: no JavaScript that exports settings, see line 2",
    ),
    "syntax error": (
        "module.exports = {\n  SERVICE_URL: 'https://a.example',\n  SECRET_HEADER_VALUE: 'a' hunter2,\n};",
        "config.js: no JavaScript that exports settings, see line 3",
    ),
    "quote that does not end": (
        "module.exports = { SECRET_HEADER_VALUE: 'hunter2 };",
        "config.js: no JavaScript that exports settings, see line 1",
    ),
    "something thrown": ("throw 'hunter2';", "config.js: no JavaScript that exports settings"),
    "value that JSON has no word for": (
        "module.exports = { MAX_RETRIES: 1n };",
        "config.js: no JavaScript that exports settings",
    ),
    "function": ("module.exports = () => 'hunter2';", "config.js: expected module.exports = { ... }"),
    "list": ("module.exports = ['hunter2'];", "config.js: expected module.exports = { ... }"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_with_settings_that_cannot_be_used_every_request_gets_503(edge, name):
    """Each time, with a line that says which setting is wrong, and never what it holds."""
    script, named = BROKEN[name]
    function = edge.feed(edge.with_config(script))
    for _ in range(3):
        run = function.event(viewer_request())
        assert run["result"] == UNAVAILABLE
        problems = run["log"].texts("ERROR")
        assert problems and all(named in problem for problem in problems)
        assert "hunter2" not in json.dumps(run["log"].lines)


def test_a_function_that_cannot_start_does_not_grow(edge):
    """It is asked as often as there are requests."""
    function = edge.feed(edge.with_config("module.exports = {};"))
    memory = [function.event(viewer_request())["memory"] for _ in range(300)]
    assert memory[-1] - memory[20] < 5


def test_a_package_whose_module_is_gone_answers_503(edge, package):
    folder, copy = edge.unpacked(package)
    (folder / "portcullis_edge_bg.wasm").unlink()
    run = edge.feed(copy).event(viewer_request())
    assert run["result"] == UNAVAILABLE
    assert "the function cannot start" in run["log"].texts("ERROR")[0]


# --- a module that breaks


def breaking(edge, package, source):
    """The package with a line at the end of the module's glue, which runs each time that the module is loaded."""
    folder, copy = edge.unpacked(package)
    glue = folder / "portcullis_edge.js"
    glue.write_text(f"{glue.read_text()}\n{source}\n")
    return edge.feed(copy)


TRAP = "throw new WebAssembly.RuntimeError('unreachable');"


@pytest.mark.parametrize("entry", ["handle", "received"])
def test_a_trap_is_503_for_its_event_and_nothing_for_the_next(edge, package, service, entry):
    """The first call of that function breaks, as a defect in the module would: when an event comes, or an answer."""
    once = f"""const real = exports.{entry};
        exports.{entry} = (...all) => {{ if (!globalThis.broke) {{ globalThis.broke = true; {TRAP} }} return real(...all); }};"""
    function = breaking(edge, package, once)
    broken = function.event(viewer_request())
    assert broken["result"] == UNAVAILABLE
    assert broken["log"].line("the function broke")["detail"] == "unreachable"
    following = function.event(viewer_request())
    assert following["kind"] == "request"
    assert following["log"].decided["reason"] == "permitted_by_decision_point"


def test_a_module_that_always_breaks_does_not_grow(edge, package):
    function = breaking(edge, package, f"exports.handle = () => {{ {TRAP} }};")
    runs = [function.event(viewer_request()) for _ in range(400)]
    assert all(run["result"] == UNAVAILABLE for run in runs)
    assert runs[-1]["memory"] - runs[100]["memory"] < 15


def test_an_event_that_is_never_answered_gets_503_in_time(edge, settings):
    """The handler has a clock of its own: a module that forgets an event must not make CloudFront wait."""
    package = edge.package(settings | {"PORTCULLIS_TIMEOUT": "100ms"})
    function = breaking(edge, package, "const real = exports.handle; exports.handle = () => { exports.handle = real; };")
    late = function.event(viewer_request())
    assert late["result"] == UNAVAILABLE
    assert "more than 1100 ms" in late["log"].line("no answer in time")["detail"]
    assert function.event(viewer_request())["kind"] == "request"


# --- events


def request_of(event):
    return event["Records"][0]["cf"]["request"]


def test_a_permitted_request_goes_on_as_it_came(fed):
    """Every member and every header, in order."""
    event = viewer_request("/things", [("X-B", "2"), ("X-A", "1"), ("X-B", "3")], querystring="b=1&a=%20&b")
    run = fed.event(event)
    assert run["result"] == request_of(event)
    assert list(run["result"]["headers"]) == list(request_of(event)["headers"])


def test_two_hundred_headers(fed, service):
    event = viewer_request("/", [(f"X-Header-{number}", "value") for number in range(200)])
    assert fed.event(event)["result"] == request_of(event)
    (_, _, body), = service.calls
    assert sum("X-Header-" in name for header in json.loads(body)["headers"] for name in header) == 200


def test_more_headers_than_anybody_sends_are_refused(fed, service):
    """403, and a warning: whoever sends that must not look like a failure of ours."""
    run = fed.event(viewer_request("/", [(f"X-Header-{number}", "value") for number in range(2000)]))
    assert (run["kind"], run["result"]["status"]) == ("response", "403")
    assert run["log"].metric == "bad_request" and not run["log"].texts("ERROR")
    assert service.calls == []


@pytest.mark.parametrize("headers", [{}, None], ids=["empty", "missing"])
def test_an_event_without_headers(fed, service, headers):
    """There is no host, so no URL to decide on. Clients write that header, so it is no failure of ours."""
    event = viewer_request()
    if headers is None:
        del request_of(event)["headers"]
    else:
        request_of(event)["headers"] = headers
    run = fed.event(event)
    assert (run["kind"], run["result"]["status"], run["log"].metric) == ("response", "403", "bad_request")
    assert service.calls == []


def test_a_query_of_eight_kilobytes(fed, service):
    """With its path the longest that CloudFront takes."""
    event = viewer_request("/", querystring="q=" + "x" * (8 * KIB - len("/?q=") - 1))
    assert fed.event(event)["result"] == request_of(event)
    (_, _, body), = service.calls
    assert json.loads(body)["url"].endswith(f"/?{request_of(event)['querystring']}")


# What is asked for, the status, and the reason where one was decided.
REFUSED = {
    "escape that is none": ({"uri": "/%zz"}, "400", "ambiguous_path"),
    "escape that breaks off": ({"uri": "/a%2"}, "400", "ambiguous_path"),
    "escaped escape": ({"uri": "/%252e"}, "400", "ambiguous_path"),
    "escaped slash": ({"uri": "/a%2Fb"}, "400", "ambiguous_path"),
    "backslash": ({"uri": "/a\\b"}, "400", "ambiguous_path"),
    "space": ({"uri": "/a b"}, "403", None),
    "line end": ({"uri": "/a\r\nX: 1"}, "403", None),
    "letter beyond ASCII": ({"uri": "/\u00e9"}, "403", None),
    "query beyond ASCII": ({"querystring": "a=\u00e9"}, "403", None),
    "query of 80 KB": ({"querystring": "a" * 80 * KIB}, "403", None),
    "method that is none": ({"method": "G T"}, "403", None),
    "two Authorization headers": (
        {"headers": [("Authorization", "Bearer a"), ("Authorization", "Bearer b")]}, "400", "ambiguous_authorization",
    ),
    "line end in a header": ({"headers": [("X-A", "1\r\nX-B: 2")]}, "403", None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_cannot_be_decided_on(fed, service, name):
    """It is refused, the service is not asked, and nothing looks like a failure of ours."""
    request, status, reason = REFUSED[name]
    run = fed.event(viewer_request(**request))
    assert (run["kind"], run["result"]["status"]) == ("response", status)
    assert service.calls == []
    if reason is None:
        assert run["log"].metric == "bad_request"
        assert run["log"].texts("WARN") and not run["log"].texts("ERROR")
    else:
        assert run["log"].decided["reason"] == reason


def test_a_query_with_escapes_that_are_none_goes_on(fed):
    """Only paths choose what is guarded; a query is for the backend to read."""
    event = viewer_request("/things", querystring="a=%zz&b=%")
    assert fed.event(event)["result"] == request_of(event)


def origin_request():
    event = viewer_request()
    event["Records"][0]["cf"]["config"]["eventType"] = "origin-request"
    return event


NOT_EVENTS = {
    "null": None,
    "list": [],
    "text": "Records",
    "number": 1,
    "empty object": {},
    "no records": {"Records": []},
    "two records": {"Records": viewer_request()["Records"] * 2},
    "records that are an object": {"Records": {"0": {}}},
    "record without cf": {"Records": [{}]},
    "cf without request": {"Records": [{"cf": {"config": {"eventType": "viewer-request"}}}]},
    "request without anything": {"Records": [{"cf": {"config": {"eventType": "viewer-request"}, "request": {}}}]},
    "request that is a list": {"Records": [{"cf": {"config": {"eventType": "viewer-request"}, "request": []}}]},
    "uri that is a number": viewer_request(uri=1),
    "no client address": viewer_request(clientIp=None),
    "headers that are a list": viewer_request() | {"Records": [{"cf": {"config": {"eventType": "viewer-request"},
                                                                    "request": {"headers": [], "uri": "/"}}}]},
    "origin request": origin_request(),
    "event of API Gateway": {"type": "TOKEN", "authorizationToken": "Bearer a", "methodArn": "arn:aws:execute-api"},
}


@pytest.mark.parametrize("name", NOT_EVENTS)
def test_what_is_no_event_gets_503(fed, service, name):
    run = fed.event(NOT_EVENTS[name])
    assert run["result"] == UNAVAILABLE
    assert "the event could not be answered" in run["log"].texts("ERROR")[0]
    assert run["log"].metric == "error"
    assert service.calls == []


# --- bodies


def body_of(data, truncated=False, encoding="base64"):
    text = data if encoding == "text" else base64.b64encode(data).decode()
    return {"inputTruncated": truncated, "action": "read-only", "encoding": encoding, "data": text}


def test_a_whole_body_reaches_the_service_and_the_origin(served, service, edge):
    sent = json.dumps({"moon": "io", "note": "\u00e9"}, ensure_ascii=False).encode()
    reply = served.call("/things", [("Content-Type", "application/json")], method="POST", body=sent)
    assert reply.outcome == "forwarded"
    (_, _, asked), = service.calls
    assert json.loads(asked)["body"].encode() == sent
    assert edge.origin.calls[0].body == sent


PARTIAL = {
    "truncated": body_of(b"x" * 40 * KIB, truncated=True),
    "truncated, but it does not say so": {key: value for key, value in body_of(b"x").items() if key != "inputTruncated"},
    "no text": body_of(b"\xff\xfe\x00"),
}


@pytest.mark.parametrize("name", PARTIAL)
def test_a_part_of_a_body_is_denied(fed, service, name):
    run = fed.event(viewer_request(method="POST", body=PARTIAL[name]))
    assert (run["kind"], run["result"]["status"]) == ("response", "413")
    assert run["log"].decided["reason"] == "partial_body"
    assert service.calls == []


@pytest.fixture(scope="module")
def omitting(edge, settings):
    return edge.package(settings | {"PORTCULLIS_PARTIAL_BODY": "omit"})


def test_a_part_of_a_body_can_be_left_out(edge, omitting, service):
    """PORTCULLIS_PARTIAL_BODY=omit: the decision is made without it."""
    function = edge.feed(omitting)
    for name, body in PARTIAL.items():
        assert function.event(viewer_request(method="POST", body=body))["kind"] == "request", name
    assert [json.loads(asked).get("body") for _, _, asked in service.calls] == [None] * len(PARTIAL)


def test_a_body_that_was_left_out_reaches_the_origin_whole(edge, omitting, service):
    sent = b"x" * 100 * KIB
    reply = edge.run(omitting, f"--alias={HOST}", "--include-body").call("/things", method="POST", body=sent)
    assert reply.outcome == "forwarded"
    assert edge.origin.calls[0].body == sent


@pytest.mark.parametrize(
    "body",
    [{"data": "?", "encoding": "base64", "inputTruncated": False}, body_of("x", encoding="text") | {"encoding": "gzip"}, "x", []],
    ids=["no base64", "unknown encoding", "text", "list"],
)
def test_a_body_that_is_none_gets_503(fed, service, body):
    assert fed.event(viewer_request(method="POST", body=body))["result"] == UNAVAILABLE
    assert service.calls == []


# --- what is logged


def test_no_line_holds_a_token_a_secret_or_a_claim(edge, settings, service):
    """With every exchange logged, for a permit, a deny, an edit, an error and a refusal."""
    package = edge.package(settings | {"IS_DEBUG_ENABLED": True, "LOGGING_LEVEL": "trace"})
    function = edge.run(package, f"--alias={HOST}", "--include-body")
    hidden = {f"hidden-{name}" for name in ("token", "cookie", "query", "header", "body", "answer")}
    edge.secrets.update(hidden)
    headers = [("Authorization", "Bearer hidden-token"), ("Cookie", "a=hidden-cookie"), ("X-A", "hidden-header")]

    def deny(handler, _request):
        handler.send_response(200)
        handler.end_headers()
        response = {"response_code": "403", "response_status": "No", "http_version": "1.1", "body": "hidden-answer",
                    "headers": [{"X-B": "hidden-answer"}]}
        handler.wfile.write(json.dumps({"response": response}).encode())
        handler.close_connection = True

    def nonsense(handler, _request):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b'{"url": hidden-answer}')
        handler.close_connection = True

    replies = []
    for behaviour in (permit, deny, nonsense, lambda handler, _: handler.send_error(500, "hidden-answer")):
        service.behaviour = behaviour
        replies.append(function.call("/things?q=hidden-query", headers, method="POST", body=b"hidden-body"))
    replies.append(function.call("/things/../hidden?q=hidden-query", headers))
    replies.append(function.call("/things", headers + headers))
    assert [reply.status for reply in replies] == [200, 403, 503, 503, 400, 400]
    assert all(reply.log.lines for reply in replies)
    assert edge.leaks() == []
