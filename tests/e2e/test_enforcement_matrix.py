"""One table, dialects by outcomes: do the Lambda authorizer and the edge function find the same decision, reason and
challenge, whoever decides? The table is enforcement_cases.py, with what each of the two cannot be asked or tell.
"""

import functools
import json
import re
import subprocess
from fnmatch import fnmatchcase

import pytest

from authorizer_events import DIALECTS, Request, event
from edge_package import EdgeFunctions
from enforcement_cases import (
    AUDIENCE,
    CANNOT_ASK,
    CANNOT_DO,
    CANNOT_TELL,
    CASES,
    CLAIMS,
    GUARD,
    HOST,
    ONE_ROUTE,
    POINTS,
    POLICY,
    ROUTES,
    SCOPES,
    Sender,
    cells,
)
from local_issuer import LocalIssuer
from localaws import paths
from localaws.decision_service import DecisionService
from localaws.processes import free_port, plain_environment
from native_authorizer import NativeAuthorizer


@pytest.fixture(scope="module")
def issuer():
    issuer = LocalIssuer(AUDIENCE)
    yield issuer
    issuer.stop()


@pytest.fixture(scope="module")
def sender(issuer):
    return Sender(issuer)


def write_policy(directory, issuer):
    """The policy directory."""
    for name, text in {"services/matrix.yaml": POLICY % issuer.url, "policies/guard.yaml": GUARD}.items():
        file = directory / "policy" / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    return directory / "policy"


def write_bundle(policy, *options):
    """The text of the policy's bundle."""
    file = policy.parent / "policy.json"
    command = [paths.PORTCULLIS, "policy", "bundle", policy, "-o", file, *options]
    subprocess.run(command, env=plain_environment(), check=True, capture_output=True)
    return file.read_text()


@pytest.fixture(scope="module")
def policy(issuer, tmp_path_factory):
    return write_policy(tmp_path_factory.mktemp("matrix"), issuer)


@pytest.fixture(scope="module")
def service(policy, tmp_path_factory):
    service = DecisionService(policy, tmp_path_factory.mktemp("service"))
    yield service
    service.stop()


@pytest.fixture(scope="module")
def points(issuer, service, policy):
    """The settings that name each decision point, with the files that go with them."""
    oauth = {"PORTCULLIS_ISSUER": issuer.url, "PORTCULLIS_AUDIENCE": AUDIENCE, "PORTCULLIS_JWKS": "file:keys.json"}
    keys = {"keys.json": json.dumps(issuer.keys)}
    return {
        "sideband": ({"SERVICE_URL": service.url, "SECRET_HEADER_VALUE": service.credential}, {}),
        "oauth": (oauth | {"PORTCULLIS_SCOPES": SCOPES}, keys),
        "bundle": ({"PORTCULLIS_BUNDLE": "file:policy.json"}, {"policy.json": write_bundle(policy, "--with-keys")}),
        "authzen": (
            oauth
            | {
                "AUTHZEN_PDP_URL": service.url,
                "AUTHZEN_SUBJECT_CLAIMS": CLAIMS,
                "SECRET_HEADER_VALUE": f"Bearer {service.credential}",
                "PORTCULLIS_SCOPES": ROUTES,
            },
            keys,
        ),
    }


@pytest.fixture(scope="module")
def edge(service, issuer, tmp_path_factory):
    functions = EdgeFunctions(tmp_path_factory)
    functions.secrets.add(service.credential)
    yield functions
    functions.secrets.update(issuer.tokens)
    functions.stop()


@pytest.fixture(scope="module")
def start_native(tmp_path_factory):
    """Starts authorizers, which live as long as the tests of this file."""
    started = []

    def start(settings, files):
        directory = tmp_path_factory.mktemp("authorizer")
        for name, text in files.items():
            (directory / name).write_text(text)
        here = {name: value.replace("file:", f"file:{directory}/") for name, value in settings.items()}
        started.append(NativeAuthorizer(directory, PORTCULLIS_HTTP_RESPONSE="simple", **here))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="module")
def natives(points, start_native):
    return {point: start_native(*settings) for point, settings in points.items()}


@pytest.fixture(scope="module")
def edges(points, edge):
    return {point: start_edge(edge, *settings) for point, settings in points.items()}


def start_edge(edge, settings, files):
    return edge.run(edge.package(settings, **files), f"--alias={HOST}")


@pytest.fixture(scope="module")
def seen_at_edge(edge, edges, sender):
    """What the edge function answered to a case, and what the origin got; asked once."""

    @functools.cache
    def ask(point, name):
        case = CASES[name]
        edge.origin.calls.clear()
        reply = edges[point].call(case.path + (f"?{case.query}" if case.query else ""), case.headers(sender))
        return reply, edge.origin.calls[-1] if edge.origin.calls else None

    return ask


@pytest.mark.parametrize(
    ("point", "name"), [(point, name) for point in POINTS for name, case in CASES.items() if case.is_asked_of(point)]
)
def test_what_the_edge_function_finds(seen_at_edge, point, name):
    """The decision of the table, answered in full: with its status and its challenge."""
    expected = CASES[name].expected(point)
    reply, forwarded = seen_at_edge(point, name)
    decided = reply.log.decided
    assert (decided["decision"], decided["reason"]) == (expected.decision, expected.reason)
    assert decided.get("status") == expected.status
    assert (reply.outcome, reply.status) == (("forwarded", 200) if expected.status is None else ("generated", expected.status))
    assert (forwarded is not None) == (expected.status is None)
    if expected.challenge:
        assert re.search(expected.challenge, reply.header("www-authenticate"))
    else:
        assert reply.header("www-authenticate") is None
    assert reply.log.metric == ("unauthorized" if expected.status == 401 else expected.decision)


@pytest.mark.parametrize(("point", "name", "dialect"), list(cells()))
def test_the_authorizer_finds_the_same(natives, seen_at_edge, sender, point, name, dialect):
    """The same decision, reason and challenge, as far as API Gateway takes them."""
    case = CASES[name]
    expected = case.expected(point)
    at_edge, _ = seen_at_edge(point, name)
    sent = event(dialect, Request(case.path, case.headers(sender), case.query, HOST))
    outcome = natives[point].invoke(sent)
    if name in CANNOT_DO:
        assert "a Lambda authorizer cannot do" in outcome.error["errorMessage"]
        assert (at_edge.log.metric, outcome.log.metric) == ("permit", "error")
        return
    decided, same = outcome.log.decided, ("decision", "reason", "detail", "status", "method")
    assert {name: decided.get(name) for name in same} == {name: at_edge.log.decided.get(name) for name in same}
    assert decided["dialect"] == {"websocket": "websocket_connect"}.get(dialect, dialect)
    if expected.status == 401 and dialect in CANNOT_TELL:
        assert outcome.error["errorMessage"] == "Unauthorized"
        assert outcome.log.metric == at_edge.log.metric == "unauthorized"
        return
    assert outcome.error is None
    assert lets_in(outcome.answer, sent) == (expected.status is None)
    assert outcome.log.metric == expected.decision
    context = outcome.answer["context"]
    if context["cache"] == "credential":
        # Right for every route, so it tells nothing of this one (docs/caching.md).
        assert context == {"cache": "credential"} and point == "oauth"
        return
    assert context["reason"] == expected.reason
    assert context.get("status") == expected.status
    assert context.get("challenge") == at_edge.header("www-authenticate")


def lets_in(answer, sent):
    """Whether API Gateway lets the request of that event through: an explicit deny outweighs everything."""
    if "isAuthorized" in answer:
        return answer["isAuthorized"]
    arn = sent.get("methodArn")
    covering = [one for one in answer["policyDocument"]["Statement"] if any(fnmatchcase(arn, each) for each in one["Resource"])]
    return {one["Effect"] for one in covering} == {"Allow"}


def test_the_tables_of_what_cannot_be_have_no_row_too_many():
    assert all(dialect in DIALECTS and name in CASES for dialect, name in CANNOT_ASK)
    assert CANNOT_DO <= set(CASES) and CANNOT_TELL <= set(DIALECTS) and ONE_ROUTE <= set(POINTS)
    asked = {(dialect, name) for _, name, dialect in cells()}
    everything = {(dialect, name) for dialect in DIALECTS for name in CASES}
    assert everything - asked == set(CANNOT_ASK)


# --- what the two tell beside that


@pytest.mark.parametrize("point", ["sideband", "bundle"])
def test_a_deny_with_body_and_headers_of_its_own(seen_at_edge, point):
    """What no authorizer can answer: the client gets it at the edge."""
    reply, _ = seen_at_edge(point, "policy deny")
    assert reply.header("x-why") == "by policy"
    assert reply.json() == {"status": 451, "message": "Restricted", "detail": "not here"}


@pytest.mark.parametrize("point", ["sideband", "bundle"])
def test_headers_that_a_permit_sets(natives, seen_at_edge, sender, point):
    """The edge sets them; the authorizer tells the integration, which maps them."""
    case = CASES["headers set"]
    _, forwarded = seen_at_edge(point, "headers set")
    assert (forwarded.values("x-tier"), forwarded.values("x-gone")) == (["silver"], [])
    for dialect in DIALECTS:
        outcome = natives[point].invoke(event(dialect, Request(case.path, case.headers(sender), host=HOST)))
        context = outcome.answer["context"]
        assert (context["header_x_tier"], context.get("header_x_gone", "")) == ("silver", "")


@pytest.mark.parametrize("point", ["sideband", "bundle"])
def test_a_query_that_a_permit_modifies(seen_at_edge, point):
    _, forwarded = seen_at_edge(point, "query modified")
    path, query = forwarded.target.split("?")
    assert (path, sorted(query.split("&"))) == ("/asked", ["kept=1", "tier=silver"])


# --- no decision


@pytest.fixture(scope="module")
def gone(edge):
    """An issuer whose keys cannot be had any more."""
    issuer = LocalIssuer(AUDIENCE)
    issuer.stop()
    yield issuer
    edge.secrets.update(issuer.tokens)


@pytest.fixture(scope="module")
def unreachable(points, gone, tmp_path_factory):
    """The same decision points where nobody answers: the service is away, or the issuer that has the keys."""
    nobody = f"http://127.0.0.1:{free_port()}"
    oauth = {name: value for name, value in points["oauth"][0].items() if name != "PORTCULLIS_JWKS"}
    bundle = write_bundle(write_policy(tmp_path_factory.mktemp("keyless"), gone))
    return {
        "sideband": (points["sideband"][0] | {"SERVICE_URL": nobody}, {}),
        "oauth": (oauth | {"PORTCULLIS_ISSUER": gone.url}, {}),
        "bundle": (points["bundle"][0], {"policy.json": bundle}),
        "authzen": (points["authzen"][0] | {"AUTHZEN_PDP_URL": nobody}, points["authzen"][1]),
    }


@pytest.fixture(scope="module")
def sender_of(sender, gone):
    """Whose tokens would be taken by a decision point, if there were a decision."""
    return lambda point: sender if point in ("sideband", "authzen") else Sender(gone)


@pytest.fixture(scope="module", params=["error", "deny"])
def without(request, unreachable, edge, start_native):
    """What PORTCULLIS_ON_UNAVAILABLE says, and both enforcement points with each decision point."""
    setting = {"PORTCULLIS_ON_UNAVAILABLE": request.param}
    given = {point: (settings | setting, files) for point, (settings, files) in unreachable.items()}
    edges = {point: start_edge(edge, *settings) for point, settings in given.items()}
    return request.param, edges, {point: start_native(*settings) for point, settings in given.items()}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("point", POINTS)
def test_without_a_decision_nothing_passes(edge, without, sender_of, point, dialect):
    """An error of the function, or a deny: 503 and 500, or 403."""
    on_unavailable, edges, natives = without
    edge.origin.calls.clear()
    headers = sender_of(point).bearer(scope="silver")
    reply = edges[point].call("/things", headers)
    sent = event(dialect, Request("/things", headers, host=HOST))
    outcome = natives[point].invoke(sent)
    assert edge.origin.calls == []
    at_edge, natively = unavailable(reply.log), unavailable(outcome.log)
    assert at_edge == natively and at_edge
    if on_unavailable == "error":
        assert (reply.status, reply.log.metric) == (503, "error")
        assert (outcome.log.metric, outcome.answer) == ("error", None)
    else:
        assert (reply.status, reply.header("www-authenticate")) == (403, None)
        assert not lets_in(outcome.answer, sent)
        for log in (reply.log, outcome.log):
            assert (log.decided["decision"], log.decided["reason"]) == ("deny", "decision_point_unavailable")
            assert log.metric == "deny"


def unavailable(log):
    """What the errors in a log say went wrong, but for how the network put it."""
    errors = [line["error"] for line in log.lines if line.get("level") == "ERROR"]
    return [error.split(": ")[0] for error in errors]
