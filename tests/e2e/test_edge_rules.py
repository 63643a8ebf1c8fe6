"""Does the stand-in for CloudFront of tests/edge refuse every answer of a function that CloudFront refuses?

Each answer here breaks one rule of tests/edge/rules.js, and nothing of it may reach the origin.
"""

import json
import subprocess

import pytest

from edge_runner import RUNNER, refused

KIB = 1024

# Each is the body of a handler, which has `request` and its `headers`.
BROKEN_REQUESTS = {
    "result-not-an-object": ["return null", "return undefined", "return 'x'", "return [request]"],
    "uri-not-a-string": [
        "request.uri = 1; return request",
        "return {}",
        "return { statusCode: 403, body: 'a response of API Gateway' }",
    ],
    "uri-without-slash": ["request.uri = 'a'; return request", "request.uri = ''; return request"],
    "uri-characters": [f"request.uri = '/a{char}'; return request" for char in (" ", "#", "?", "\\n", "\\u007f")],
    "querystring-not-a-string": ["request.querystring = {a: 1}; return request"],
    "querystring-characters": [f"request.querystring = 'a={char}'; return request" for char in (" ", "#", "\\t")],
    "url-not-utf-8": ["request.uri = '/\\ud800'; return request"],
    "url-too-long": [
        "request.uri = '/' + 'a'.repeat(8191); return request",
        "request.querystring = 'a'.repeat(8192 - request.uri.length - 1); return request",
    ],
    "method-changed": ["request.method = 'HEAD'; return request", "delete request.method; return request"],
    "client-ip-changed": ["request.clientIp = '192.0.2.1'; return request"],
    "header-read-only": [
        "headers.host[0].value = 'other.example'; return request",
        "delete headers.host; return request",
        "headers.via = [{ value: '1.1 here' }]; return request",
        "headers['cdn-loop'] = [{ value: 'here' }]; return request",
        "headers['content-length'] = [{ value: '2' }]; return request",
        "headers['transfer-encoding'] = [{ value: 'chunked' }]; return request",
        "headers.host.push({ value: 'other.example' }); return request",
        "delete request.headers; return request",
    ],
    "header-viewer-country": ["headers['cloudfront-viewer-country'] = [{ value: 'CH' }]; return request"],
    "body-not-an-object": ["request.body = 'x'; return request"],
    "body-action-unknown": ["request.body.action = 'append'; return request"],
    "body-data-not-a-string": ["request.body = { action: 'replace', encoding: 'text' }; return request"],
    "body-encoding-unknown": ["request.body = { action: 'replace', encoding: 'hex', data: '' }; return request"],
    "body-not-base64": [
        "request.body = { action: 'replace', encoding: 'base64', data: 'a' }; return request",
        "request.body = { action: 'replace', encoding: 'base64', data: 'YQ' }; return request",
    ],
    "body-too-large": [
        "request.body = { action: 'replace', encoding: 'text', data: 'a'.repeat(40961) }; return request",
        "request.body = { action: 'replace', encoding: 'base64', data: 'A'.repeat(54480) }; return request",
    ],
}
BROKEN_RESPONSES = {
    "status-not-a-string": ["return { status: 403 }", "return { status: null }"],
    "status-out-of-range": [f"return {{ status: '{status}' }}" for status in ("199", "600", "", "20", "403 ", "abc")],
    "status-description-not-a-string": ["return { status: '403', statusDescription: 1 }"],
    "status-description-characters": ["return { status: '403', statusDescription: 'a\\r\\nb: c' }"],
    "header-read-only": [
        "return { status: '403', headers: { 'content-length': [{ value: '0' }] } }",
        "return { status: '403', headers: { 'transfer-encoding': [{ value: 'chunked' }] } }",
    ],
    "body-not-a-string": ["return { status: '403', body: { message: 'no' } }", "return { status: '403', body: null }"],
    "body-encoding-unknown": ["return { status: '403', bodyEncoding: 'utf8', body: 'no' }"],
    "body-not-base64": ["return { status: '403', bodyEncoding: 'base64', body: 'no!' }"],
    "body-with-204": ["return { status: '204', body: 'no' }", "return { status: '204', body: '' }"],
    "response-too-large": [
        f"return {{ status: '403', body: 'a'.repeat({41 * KIB}) }}",
        f"return {{ status: '403', body: 'a'.repeat({40 * KIB}), headers: {{ a: [{{ value: 'b' }}] }} }}",
        f"return {{ status: '403', headers: {{ a: [{{ value: 'b'.repeat({40 * KIB}) }}] }} }}",
    ],
}
BROKEN_HEADERS = {
    "headers-not-an-object": ["[]", "null", "'x'"],
    "header-name-not-lower-case": ["{ 'X-One': [{ value: 'a' }] }"],
    "header-name-invalid": ["{ 'x one': [{ value: 'a' }] }", "{ '': [{ value: 'a' }] }"],
    "header-not-an-array": ["{ 'x-one': 'a' }", "{ 'x-one': { value: 'a' } }"],
    "header-entry-not-an-object": ["{ 'x-one': ['a'] }", "{ 'x-one': [null] }"],
    "header-value-not-a-string": ["{ 'x-one': [{ value: 1 }] }", "{ 'x-one': [{ key: 'X-One' }] }"],
    "header-key-mismatch": ["{ 'x-one': [{ key: 'X-Two', value: 'a' }] }", "{ 'x-one': [{ key: 1, value: 'a' }] }"],
    "header-value-characters": [f"{{ 'x-one': [{{ value: 'a{char}b' }}] }}" for char in ("\\r\\n", "\\n", "\\0", "\\u007f")],
    "header-disallowed": [
        f"{{ '{name}': [{{ value: 'a' }}] }}"
        for name in (
            *("x-edge-foo", "x-amz-cf-id", "connection", "expect", "keep-alive", "proxy-authenticate", "trailer"),
            *("proxy-authorization", "proxy-connection", "upgrade", "x-accel-redirect", "x-accel-buffering"),
            *("x-accel-charset", "x-accel-limit-rate", "x-amzn-auth", "x-amzn-cf-billing", "x-amzn-cf-id"),
            *("x-amzn-cf-xff", "x-amzn-errortype", "x-amzn-fle-profile", "x-amzn-header-count"),
            *("x-amzn-header-order", "x-amzn-lambda-integration-tag", "x-amzn-requestid", "x-cache"),
            *("x-forwarded-proto", "x-real-ip", "cloudfront-viewer-cert-pem", "client-cert", "client-cert-chain"),
        )
    ],
}
CASES = [
    (rule, code)
    for broken in (
        BROKEN_REQUESTS,
        BROKEN_RESPONSES,
        {
            rule: [f"return {{ status: '403', headers: {headers} }}" for headers in several]
            for rule, several in BROKEN_HEADERS.items()
        },
        {
            rule: [f"request.headers = withHeaders(headers, {headers}); return request" for headers in several]
            for rule, several in BROKEN_HEADERS.items()
        },
    )
    for rule, codes in broken.items()
    for code in codes
]


@pytest.fixture(autouse=True)
def nothing_left(origin):
    yield
    origin.calls.clear()


@pytest.fixture(scope="module")
def breaking(serve):
    """Breaks the rule of the case whose number is the path."""
    functions = ",\n".join(f"(request, headers) => {{ {code} }}" for _, code in CASES)
    return serve(
        f"""const withHeaders = (headers, more) =>
          typeof more === 'object' && more !== null && !Array.isArray(more) ? {{ ...headers, ...more }} : more;
        const cases = [{functions}];
        exports.handler = async (event) => {{
          const {{ request }} = event.Records[0].cf;
          return cases[Number(request.uri.slice(1))](request, request.headers);
        }};""",
        "--include-body",
    )


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{rule}-{n}" for n, (rule, _) in enumerate(CASES)])
def test_an_invalid_answer_is_502_and_the_rule_is_named(breaking, origin, number):
    answer = breaking.call(f"/{number}", method="POST", body=b"x")
    assert refused(answer) == (502, CASES[number][0]), CASES[number][1]
    assert answer.header("x-cache") == "LambdaValidationError from cloudfront"
    assert f"rule: {CASES[number][0]}\n".encode() in answer.body
    assert origin.calls == []


def test_a_body_that_is_not_in_the_event_cannot_be_replaced(serve, origin):
    served = serve(
        """exports.handler = async (event) => ({
          ...event.Records[0].cf.request, body: { action: 'replace', encoding: 'text', data: 'new' },
        });"""
    )
    assert refused(served.call("/", method="POST", body=b"old")) == (502, "body-not-included")
    assert origin.calls == []


def test_every_rule_is_tried():
    program = "console.log(JSON.stringify(require('./rules.js').RULES))"
    rules = json.loads(subprocess.run(["node", "-e", program], cwd=RUNNER, check=True, capture_output=True).stdout)
    assert {rule for rule, _ in CASES} | {"body-not-included"} == set(rules)
