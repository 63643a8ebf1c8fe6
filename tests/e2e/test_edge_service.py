"""Does the edge function refuse whatever is no decision, in time, and is it well again when its service is?

And does it keep its connections, and check certificates? Other answers are in test_edge_answers.py.
"""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import trustme

import misbehaving_service as behaviours
from edge_package import EdgeFunctions, viewer_request
from localaws.processes import free_port
from misbehaving_service import SidebandService
from test_misbehaving_service import NOT_A_DECISION

CREDENTIAL = "gateway-credential-of-the-tests"
TOKEN = "token-of-the-tests"
HEADERS = [("Authorization", f"Bearer {TOKEN}")]
# Longer than any pause that a service may ask for.
LONG = 100


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    functions = EdgeFunctions(tmp_path_factory)
    functions.secrets.update({CREDENTIAL, TOKEN})
    yield functions
    functions.stop()


@pytest.fixture(autouse=True)
def honest_again(service, edge):
    yield
    service.behaviour = behaviours.permit
    service.calls.clear()
    edge.origin.calls.clear()


@pytest.fixture(scope="module")
def make(edge):
    """A package that asks the service at that URL."""

    def call(url, *files, **settings):
        return edge.package({"SERVICE_URL": url, "SECRET_HEADER_VALUE": CREDENTIAL} | settings, **dict(files))

    return call


@pytest.fixture(scope="module")
def running(edge, service, make):
    """A function that waits half a second at most, and what makes its time pass."""
    package, pass_by = edge.with_clock(make(service.url(), PORTCULLIS_TIMEOUT="500ms"))
    return edge.run(package), pass_by


@pytest.fixture(scope="module")
def function(running):
    return running[0]


@pytest.fixture
def pass_by(running):
    """Lets time pass, also after the test, so that whatever it made the function wait for is over."""
    yield running[1]
    running[1](LONG)


def refused(reply, status=503):
    """The answer of a function that has no decision. Nothing of it went to the origin."""
    assert (reply.outcome, reply.status, reply.body) == ("generated", status, b"")
    assert reply.header("cache-control") == "no-store"
    assert reply.log.metric == "error"
    return reply.log.line("no decision could be had")["error"]


# --- no decision


@pytest.mark.parametrize("name", NOT_A_DECISION)
def test_what_is_not_a_decision_is_no_permit(function, pass_by, service, edge, name):
    service.behaviour = NOT_A_DECISION[name]
    refused(function.call(headers=HEADERS))
    assert edge.origin.calls == []
    if "redirect" in name:
        assert not any(path.startswith("/elsewhere") for path, _, _ in service.calls), "the redirect was followed"
    service.behaviour = behaviours.permit
    pass_by(LONG)
    assert function.call(headers=HEADERS).outcome == "forwarded", "it did not recover"


def test_a_service_that_says_nothing_is_given_up_within_the_budget(function, service):
    """503, and not CloudFront's page for a function that takes too long."""
    over = threading.Event()
    service.behaviour = lambda handler, _: over.wait(30)
    try:
        assert refused(function.call()) == "the decision point gave no answer within 500 ms"
    finally:
        over.set()
    service.behaviour = behaviours.permit
    assert function.call().outcome == "forwarded"


def test_a_huge_answer_is_not_read_to_its_end(function, service):
    """It would be more than the function has memory for."""
    sent = []

    def endless(handler, _request):
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * (1 << 16))
            sent.append(1 << 16)

    service.behaviour = endless
    assert "larger than" in refused(function.call())
    # What is under way when the function hangs up is in the buffers of the system.
    assert sum(sent) < 32 << 20


def test_a_service_that_is_down_and_comes_back(edge, make):
    port = free_port()
    function = edge.run(make(f"http://127.0.0.1:{port}"))
    assert "ECONNREFUSED" in refused(function.call())
    service = SidebandService(port=port)
    try:
        assert function.call().outcome == "forwarded"
    finally:
        service.stop()
    service.hang_up()
    refused(function.call())


def test_a_service_whose_name_nobody_knows(edge, make):
    """The name is reserved for that (RFC 6761 section 6.4)."""
    function = edge.run(make("https://decisions.invalid", PORTCULLIS_TIMEOUT="1s"))
    assert refused(function.call()).startswith(("the decision point could not be reached", "the decision point gave no answer"))


def test_unavailable_can_be_a_deny(edge, make):
    """PORTCULLIS_ON_UNAVAILABLE=deny."""
    function = edge.run(make(f"http://127.0.0.1:{free_port()}", PORTCULLIS_ON_UNAVAILABLE="deny"))
    reply = function.call(headers=HEADERS)
    assert (reply.outcome, reply.status) == ("generated", 403)
    assert reply.log.decided["reason"] == "decision_point_unavailable"


# --- retries and the breaker


def in_turn(service, *turns):
    """Each call by the next of these behaviours, and the last one from then on."""
    first = len(service.calls)
    return lambda handler, request: turns[min(len(service.calls) - first, len(turns)) - 1](handler, request)


def status(code, *headers):
    return lambda handler, _request: behaviours.answer(handler, code, b"", headers)


def test_a_server_error_is_tried_again_once(function, service):
    service.behaviour = in_turn(service, status(500), behaviours.permit)
    reply = function.call()
    assert reply.outcome == "forwarded" and len(service.calls) == 2
    assert "HTTP status 500" in reply.log.line("asking the decision point again")["error"]
    service.behaviour = status(500)
    assert "HTTP status 500" in refused(function.call())
    assert len(service.calls) == 4


def test_a_service_that_says_nothing_is_asked_again_while_there_is_time(function, service):
    """Each attempt has its share of the budget."""
    over = threading.Event()
    service.behaviour = in_turn(service, lambda handler, _: over.wait(30), behaviours.permit)
    try:
        reply = function.call()
    finally:
        over.set()
    assert reply.outcome == "forwarded" and len(service.calls) == 2


@pytest.mark.parametrize("code", [302, 400, 401, 403, 404, 413])
def test_an_answer_that_is_final_is_not_asked_for_again(function, service, code):
    service.behaviour = status(code)
    assert f"HTTP status {code}" in refused(function.call())
    assert len(service.calls) == 1


@pytest.mark.parametrize(("retry_after", "seconds"), [("30", 30), (None, 1), ("9999", 60)])
def test_a_service_that_asks_for_a_pause_gets_it(function, pass_by, service, retry_after, seconds):
    """429: nothing is sent until its time is over, a minute at most, and a second where it names none."""
    service.behaviour = status(429, *([("Retry-After", retry_after)] if retry_after else []))
    assert "HTTP 429" in refused(function.call())
    service.behaviour = behaviours.permit
    pass_by(seconds - 1)
    assert "HTTP 429" in refused(function.call())
    assert len(service.calls) == 1
    pass_by(1)
    assert function.call().outcome == "forwarded"
    assert len(service.calls) == 2


# --- connections


def test_decisions_share_a_connection(function, service):
    service.hang_up()
    before = service.connections
    for _ in range(50):
        assert function.call().outcome == "forwarded"
    assert service.connections - before == 1


def test_connections_that_the_service_closes_are_replaced(function, service):
    """After each answer, without having said so in it."""

    def closing(handler, request):
        behaviours.permit(handler, request)
        handler.close_connection = True

    service.behaviour = closing
    for _ in range(10):
        reply = function.call()
        assert reply.outcome == "forwarded"
        assert not reply.log.texts("WARN") and not reply.log.texts("ERROR")
    assert len(service.calls) == 10


def test_a_connection_that_died_while_the_function_was_frozen(edge, service, make):
    """Lambda stops the process between events, so that it learns of nothing until the next one."""
    fed = edge.feed(make(service.url()))
    for _ in range(5):
        run = fed.event(viewer_request())
        assert run["kind"] == "request"
        assert not run["log"].texts("WARN") and not run["log"].texts("ERROR")
        fed.freeze()
        service.hang_up()
        fed.thaw()
    assert len(service.calls) == 5


def test_a_service_that_hangs_up_on_every_question_is_not_asked_for_ever(function, service):
    """On a connection that is open already, that may have been the server's timeout; on a new one it was not."""
    assert function.call().outcome == "forwarded"
    service.calls.clear()
    service.behaviour = behaviours.no_answer
    refused(function.call())
    assert len(service.calls) == 3


# --- certificates


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def ask_over_tls(edge, make):
    """What a function gets from a service with that certificate, and how often the service was asked."""

    def ask(certificate, *files, times=1, **settings):
        service = SidebandService(certificate)
        try:
            function = edge.run(make(service.url(), *files, **settings))
            replies = [function.call(headers=HEADERS) for _ in range(times)]
            return replies[-1], service
        finally:
            service.stop()

    return ask


def pem(authority):
    return authority.cert_pem.bytes().decode()


def test_a_private_authority_in_the_package(ask_over_tls, authority):
    """PORTCULLIS_ROOT_CA, the path of a file, and its connections are kept, too."""
    certificate = authority.issue_cert("127.0.0.1")
    reply, service = ask_over_tls(certificate, ("ca.pem", pem(authority)), PORTCULLIS_ROOT_CA="ca.pem", times=3)
    assert reply.outcome == "forwarded"
    assert (len(service.calls), service.connections) == (3, 1)


def test_a_private_authority_among_the_settings(ask_over_tls, authority):
    """PORTCULLIS_ROOT_CA, the text itself, with another authority before it."""
    both = pem(trustme.CA()) + pem(authority)
    reply, _ = ask_over_tls(authority.issue_cert("127.0.0.1"), PORTCULLIS_ROOT_CA=both)
    assert reply.outcome == "forwarded"


def bad_certificates(authority):
    now = datetime.now(UTC)
    return {
        "unknown authority": trustme.CA().issue_cert("127.0.0.1"),
        "another host": authority.issue_cert("decisions.example"),
        "expired": authority.issue_cert("127.0.0.1", not_before=now - timedelta(days=9), not_after=now - timedelta(days=2)),
        "not yet valid": authority.issue_cert("127.0.0.1", not_before=now + timedelta(days=2)),
    }


@pytest.mark.parametrize("name", bad_certificates(trustme.CA()))
def test_a_certificate_that_proves_nothing(ask_over_tls, authority, name):
    """The request, and with it the token, does not go out."""
    certificate = bad_certificates(authority)[name]
    reply, service = ask_over_tls(certificate, ("ca.pem", pem(authority)), PORTCULLIS_ROOT_CA="ca.pem")
    assert "could not be reached" in refused(reply)
    assert service.calls == []


def test_a_private_authority_that_is_not_in_the_package(ask_over_tls, authority):
    reply, service = ask_over_tls(authority.issue_cert("127.0.0.1"))
    assert "could not be reached" in refused(reply)
    assert service.calls == []


def test_a_file_without_certificates(edge, make):
    """It is refused at load, with the name of the setting."""
    folder, copy = edge.unpacked(make("https://127.0.0.1:1", ("ca.pem", pem(trustme.CA())), PORTCULLIS_ROOT_CA="ca.pem"))
    (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n")
    reply = edge.run(copy).call()
    assert (reply.outcome, reply.status) == ("generated", 503)
    problems = reply.log.texts("ERROR")
    assert problems and all("config.js: PORTCULLIS_ROOT_CA" in problem and "hunter2" not in problem for problem in problems)
