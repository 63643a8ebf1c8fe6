"""Does the stand-in for CloudFront of tests/edge do with requests and responses what Amazon documents?

It judges the functions that other tests give it, so here it is judged itself. Needs Node.js, and none of
the programs of this project.
"""

import hashlib
import json
import os
import re
import socket
import threading

import pytest

from edge_runner import ALLOW, EVENTS, TELL, answer_ok, refused
from localaws.processes import free_port

KIB = 1024


@pytest.fixture(autouse=True)
def honest_again(origin):
    yield
    origin.behaviour = answer_ok
    origin.calls.clear()


@pytest.fixture(scope="module")
def allowing(serve):
    return serve(ALLOW)


@pytest.fixture(scope="module")
def telling(serve):
    return serve(TELL, "--client-ip=203.0.113.178")


@pytest.fixture(scope="module")
def telling_bodies(serve):
    return serve(TELL, "--include-body")


# --- permitted requests ---


def test_a_returned_request_reaches_the_origin_and_its_answer_the_viewer(allowing, origin):
    answer = allowing.call("/planets?a=1&a=2", [("X-One", "1")])
    assert (answer.status, answer.body) == (200, b"from here")
    assert [value for name, value in answer.headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert answer.header("x-cache") == "Miss from cloudfront"
    assert re.fullmatch(r"1\.1 [0-9a-f]{32}\.cloudfront\.net \(CloudFront\)", answer.header("via"))
    (call,) = origin.calls
    assert (call.method, call.target) == ("GET", "/planets?a=1&a=2")
    assert call.values("x-one") == ["1"]
    assert call.values("host") == [f"127.0.0.1:{origin.port}"]
    assert call.values("x-forwarded-for") == ["127.0.0.1"]
    assert call.values("via") == [answer.header("via")]
    assert call.values("x-amz-cf-id") == [answer.header("x-amz-cf-id")]


def test_what_is_about_one_connection_is_not_passed_on(allowing, origin):
    answer = allowing.call("/", [("TE", "trailers"), ("Keep-Alive", "timeout=1"), ("Upgrade", "h2c"), ("X-Edge-A", "1")])
    assert answer.header("x-hop") is None
    assert answer.header("keep-alive") != "timeout=9"
    for name in ("te", "keep-alive", "upgrade", "x-edge-a"):
        assert origin.calls[0].values(name) == [], name


def test_the_address_of_the_viewer_goes_last_into_x_forwarded_for_and_via(allowing, origin):
    allowing.call("/", [("X-Forwarded-For", "192.0.2.4"), ("Via", "1.1 proxy")])
    assert origin.calls[0].values("x-forwarded-for") == ["192.0.2.4, 127.0.0.1"]
    assert origin.calls[0].values("via")[0].startswith("1.1 proxy, 1.1 ")


def test_a_function_edits_path_query_and_headers(serve, origin):
    served = serve(
        """exports.handler = async (event) => {
          const { request } = event.Records[0].cf;
          request.uri = '/n\\u00e9w';
          request.querystring = 'b=%20';
          request.headers['x-added'] = [{ value: 'one' }, { value: 'two' }];
          delete request.headers['x-gone'];
          return request;
        };"""
    )
    assert served.call("/before?a=1", [("X-Gone", "1"), ("X-Kept", "1")]).status == 200
    (call,) = origin.calls
    # http.server reads the target as ISO-8859-1, in which the two bytes of UTF-8 look like this.
    assert call.target == "/n\u00c3\u00a9w?b=%20"
    assert (call.values("x-added"), call.values("x-gone"), call.values("x-kept")) == (["one", "two"], [], ["1"])


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_bodies_pass_whole_though_the_function_does_not_see_them(telling, origin, method):
    body = os.urandom(100 * KIB)
    assert telling.call("/", method=method, body=body).status == 200
    assert origin.calls[0].body == body
    assert "body" not in origin.calls[0].event["request"]


def test_a_function_replaces_the_body(serve, origin):
    served = serve(
        """exports.handler = async (event) => {
          const { request } = event.Records[0].cf;
          const encoding = request.uri.slice(1);
          request.body = { action: 'replace', encoding, data: encoding === 'text' ? 'n\\u00e9w' : 'bmV3' };
          return request;
        };""",
        "--include-body",
    )
    assert served.call("/text", method="POST", body=b"x" * 50_000).status == 200
    assert served.call("/base64", method="POST", body=b"old").status == 200
    assert [call.body for call in origin.calls] == ["néw".encode(), b"new"]


def test_the_answer_is_passed_on_as_it_comes(allowing, origin):
    first_seen = threading.Event()

    def in_two_parts(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "6")
        handler.end_headers()
        handler.wfile.write(b"one")
        assert first_seen.wait(20)
        handler.wfile.write(b"two")

    origin.behaviour = in_two_parts
    with socket.create_connection(("127.0.0.1", allowing.port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        received = b""
        while not received.endswith(b"\r\n\r\none"):
            received += connection.recv(65536)
        first_seen.set()
        assert b"".join(iter(lambda: connection.recv(65536), b"")) == b"two"


def test_an_origin_that_is_down_is_502_and_one_that_hangs_504(serve, origin):
    down = serve(ALLOW, address=f"http://127.0.0.1:{free_port()}")
    assert refused(down.call()) == (502, "origin-unreachable")
    released = threading.Event()
    origin.behaviour = lambda handler: released.wait(20)
    try:
        assert refused(serve(ALLOW, "--origin-timeout=0.2").call()) == (504, "origin-timeout")
    finally:
        released.set()


# --- the event ---


def test_the_event_has_the_shape_of_the_recorded_one(telling, origin):
    recorded = json.loads((EVENTS / "cloudfront_viewer_request.awsdocs.json").read_text())["Records"][0]["cf"]
    telling.call("/", [("User-Agent", "curl/7.66.0"), ("accept", "*/*")])
    event = origin.calls[0].event
    assert event["config"].keys() == recorded["config"].keys()
    assert all(re.fullmatch(r"[\w-]+==", each["config"]["requestId"]) for each in (event, recorded))
    recorded["config"]["requestId"] = event["config"]["requestId"]
    recorded["request"]["headers"]["host"][0]["value"] = f"127.0.0.1:{telling.port}"
    assert event == recorded


def test_repeated_headers_are_several_values_in_order_under_one_name(telling, origin):
    telling.call("/", [("X-Two", "first"), ("Cookie", "a=1"), ("x-two", "second"), ("Cookie", "b=2")])
    headers = origin.calls[0].event["request"]["headers"]
    assert headers["x-two"] == [{"key": "X-Two", "value": "first"}, {"key": "x-two", "value": "second"}]
    assert origin.calls[0].seen("cookie") == ["a=1", "b=2"]
    assert list(headers) == ["host", "x-two", "cookie"]


def test_disallowed_headers_are_not_shown(telling, origin):
    hidden = ["Expect", "Proxy-Authorization", "X-Edge-Foo", "X-Amz-Cf-Id", "X-Cache", "X-Real-IP", "X-Forwarded-Proto"]
    hidden += ["X-Amzn-RequestId", "CloudFront-Viewer-Cert-Pem", "Client-Cert"]
    telling.call("/", [(name, "100-continue" if name == "Expect" else "1") for name in hidden] + [("X-Edgy", "1")])
    assert list(origin.calls[0].event["request"]["headers"]) == ["host", "x-edgy"]


def test_path_and_query_come_as_they_are(telling, origin):
    target = "/a%2Fb/../c//d;e?x=%20&y=a?b&z"
    telling.call(target)
    assert origin.calls[0].target == target
    request = origin.calls[0].event["request"]
    assert (request["uri"], request["querystring"]) == ("/a%2Fb/../c//d;e", "x=%20&y=a?b&z")


def test_header_values_are_utf_8_or_else_iso_8859_1(telling, origin):
    head = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nX-Name: "
    for name in ("é".encode(), "é".encode("latin-1")):
        assert telling.send(head + name + b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert [call.seen("x-name") for call in origin.calls] == [["é"], ["é"]]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_function_sees_the_body_in_base64(telling_bodies, origin, method):
    telling_bodies.call("/", method=method, body=b"\x00\xff")
    assert origin.calls[0].event["request"]["body"] == {
        "inputTruncated": False,
        "action": "read-only",
        "encoding": "base64",
        "data": "AP8=",
    }
    assert origin.calls[0].body == b"\x00\xff"


def test_only_methods_that_write_have_a_body_in_the_event(telling_bodies, origin):
    telling_bodies.call("/")
    telling_bodies.call("/", method="DELETE")
    assert "body" not in origin.calls[0].event["request"]
    assert origin.calls[1].event["request"]["body"]["data"] == ""


@pytest.mark.parametrize(("size", "truncated"), [(40 * KIB, False), (40 * KIB + 1, True), (500_000, True)])
def test_bodies_are_cut_at_40_kb_for_the_function_alone(serve, origin, size, truncated):
    served = serve(
        """const crypto = require('node:crypto');
        exports.handler = async (event) => {
          const { request } = event.Records[0].cf;
          const data = Buffer.from(request.body.data, 'base64');
          const digest = crypto.createHash('sha256').update(data).digest('hex');
          request.headers['x-seen'] = [{ value: `${request.body.inputTruncated} ${data.length} ${digest}` }];
          return request;
        };""",
        "--include-body",
    )
    body = os.urandom(size)
    served.call("/", method="POST", body=body)
    seen, length, digest = origin.calls[0].values("x-seen")[0].split()
    start = body[: 40 * KIB]
    assert (seen == "true", int(length)) == (truncated, len(start))
    assert digest == hashlib.sha256(start).hexdigest()
    assert origin.calls[0].body == body


def test_headers_about_the_viewer_are_added_when_asked_for(serve, origin):
    served = serve(
        TELL,
        "--viewer-headers",
        "--client-ip=203.0.113.178",
        "--mtls-header=CloudFront-Viewer-Cert-Subject: CN=client",
        "--mtls-header=CloudFront-Viewer-Cert-Pem: certificate",
    )
    served.call("/", [("CloudFront-Viewer-Address", "forged"), ("cloudfront-viewer-cert-subject", "CN=forged")])
    (call,) = origin.calls
    assert re.fullmatch(r"203\.0\.113\.178:\d+", call.seen("cloudfront-viewer-address")[0])
    assert call.seen("cloudfront-viewer-http-version") == ["1.1"]
    assert call.seen("cloudfront-viewer-cert-subject") == ["CN=client"]
    # The certificate is for the origin, and not for the function.
    assert call.seen("cloudfront-viewer-cert-pem") is None
    assert call.values("cloudfront-viewer-cert-pem") == ["certificate"]


def test_headers_about_the_viewer_are_what_the_viewer_says_otherwise(telling, origin):
    telling.call("/", [("CloudFront-Viewer-Address", "forged")])
    assert origin.calls[0].seen("cloudfront-viewer-address") == ["forged"]


def test_the_function_sees_the_viewers_host_and_the_origin_its_own(serve, origin):
    served = serve(TELL, "--alias=api.example.com", "--alias=www.example.com")

    def get(host):
        return served.send(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())

    for host in ("www.example.com", "d111111abcdef8.cloudfront.net", f"127.0.0.1:{served.port}"):
        assert get(host).startswith(b"HTTP/1.1 200 "), host
    seen = [call.seen("host")[0] for call in origin.calls]
    assert seen == ["www.example.com", "d111111abcdef8.cloudfront.net", "api.example.com"]
    assert {call.values("host")[0] for call in origin.calls} == {f"127.0.0.1:{origin.port}"}
    unknown = get("other.example")
    assert unknown.startswith(b"HTTP/1.1 403 ")
    assert b"X-Runner-Rule: request-host\r\n" in unknown


# --- what CloudFront refuses by itself ---


@pytest.mark.parametrize(
    ("request_line", "fields", "status", "rule"),
    [
        (b"GET /" + b"a" * 8200, b"Host: a.example", 413, "request-url-too-long"),
        (b"GET /?" + b"a" * 8200, b"Host: a.example", 413, "request-url-too-long"),
        (b"GET /", b"Host: a.example\r\nX-Long: " + b"a" * 20_480, 413, "request-too-long"),
        (b"GET /", b"Host: a.example\r\nX-Long: " + b"a" * 200_000, 413, "request-too-long"),
        (b"GET /", b"Host: a.example\r\nContent-Length: 1", 403, "request-get-with-body"),
        (b"TRACE /", b"Host: a.example", 403, "request-method"),
        (b"GET /#a", b"Host: a.example", 400, "request-target"),
        (b"GET http://a.example/", b"Host: a.example", 400, "request-target"),
        (b"GET /", b"X-No: host", 400, "request-host"),
        (b"GET /", b"Host: a.example\r\nHost: b.example", 400, "request-host"),
        (b"GET /", b"Host: a.example\r\nno field", 400, "request-unreadable"),
    ],
)
def test_requests_that_never_reach_the_function(allowing, origin, request_line, fields, status, rule):
    answer = allowing.send(request_line + b" HTTP/1.1\r\nConnection: close\r\n" + fields + b"\r\n\r\nx")
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert f"X-Runner-Rule: {rule}\r\n".encode() in answer
    assert origin.calls == []


def test_requests_just_below_the_limits_pass(allowing, origin):
    long_url = "/" + "a" * (8192 - len(f"https://127.0.0.1:{allowing.port}/"))
    assert allowing.call(long_url).status == 200
    assert refused(allowing.call(long_url + "a")) == (413, "request-url-too-long")
    assert allowing.call("/", [("X-Long", "a" * 20_000)]).status == 200
    assert len(origin.calls) == 2


# --- generated responses ---


def test_a_generated_response_is_the_viewers_and_the_origin_not_asked(serve, origin):
    served = serve(
        """exports.handler = async () => ({
          status: '401',
          statusDescription: 'Sign in',
          headers: {
            'www-authenticate': [{ key: 'WWW-Authenticate', value: 'Bearer' }, { key: 'WWW-Authenticate', value: 'DPoP' }],
            'set-cookie': [{ value: 'a=\u00e9' }],
          },
          bodyEncoding: 'base64',
          body: 'AP8=',
        });"""
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        head, body = b"".join(iter(lambda: connection.recv(65536), b"")).split(b"\r\n\r\n", 1)
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 401 Sign in"
    assert [line for line in lines if line.startswith(b"WWW-")] == [b"WWW-Authenticate: Bearer", b"WWW-Authenticate: DPoP"]
    assert "Set-Cookie: a=é".encode() in lines
    assert b"X-Cache: LambdaGeneratedResponse from cloudfront" in lines
    assert body == b"\x00\xff"
    assert origin.calls == []


@pytest.mark.parametrize(
    "response",
    [
        "{ status: '200' }",
        "{ status: '599', headers: {}, body: '' }",
        "{ status: '204' }",
        "{ status: '403', body: 'a'.repeat(40960) }",
        "{ status: '403', bodyEncoding: 'text', headers: { 'x-a': [{ key: 'x-A', value: 'tab\\t' }] } }",
    ],
)
def test_valid_responses_pass(serve, response):
    answer = serve(f"exports.handler = async () => ({response});").call()
    assert (answer.status, answer.header("x-runner-rule")) == (int(re.search(r"\d+", response)[0]), None)
