"""Decision services that answer with anything but a decision. Nothing of it is a permit."""

import json
import time

import pytest
import trustme

import misbehaving_service as behaviours
from conftest import change_setting
from misbehaving_service import SidebandService

# The function has 5 seconds, a decision has 2. Both kinds of API must answer well within that.
PATIENCE_SECONDS = 5

NOT_A_DECISION = {
    "empty object": behaviours.body("{}"),
    "null": behaviours.body("null"),
    "array": behaviours.body("[]"),
    "true": behaviours.body("true"),
    "empty": behaviours.body(""),
    "HTML": behaviours.body("<!doctype html><title>Log in</title>", content_type="text/html"),
    "two documents": lambda handler, request: behaviours.answer(handler, 200, request + request),
    "echo without headers": behaviours.permit_without("headers"),
    "echo without url": behaviours.permit_without("url"),
    "echo without method": behaviours.permit_without("method"),
    "echo without anything but the headers": behaviours.permit_without(
        "source_ip", "source_port", "method", "url", "http_version"
    ),
    "headers that are a map": behaviours.permit_with(headers={"accept": "*/*"}),
    "url that is null": behaviours.permit_with(url=None),
    "response that is no object": behaviours.permit_with(response="200"),
    "permit in the body of a 500": behaviours.permit_with_status(500),
    "permit in the body of a 503": behaviours.permit_with_status(503),
    "permit in the body of a 429": behaviours.permit_with_status(429),
    "permit in the body of a 404": behaviours.permit_with_status(404),
    "permit in the body of a 401": behaviours.permit_with_status(401),
    "permit in the body of a 201": behaviours.permit_with_status(201),
    "cut short": behaviours.cut_short,
    "cut short in chunks": behaviours.cut_short_chunked,
    "no answer": behaviours.no_answer,
    "redirect 302": behaviours.redirect(302),
    "redirect 307": behaviours.redirect(307),
    "redirect 308": behaviours.redirect(308),
    "64 MB": behaviours.flood,
    "nested too deeply": behaviours.deep,
    "hanging": behaviours.hang,
    "dripping": behaviours.drip,
}


@pytest.fixture(scope="module")
def guarded(system, service):
    """APIs whose authorizer asks the misbehaving service."""
    return system.deploy("misbehaving", service_url=service.url())


@pytest.fixture(autouse=True)
def honest_again(service):
    yield
    service.behaviour = behaviours.permit
    service.calls.clear()


@pytest.mark.parametrize("kind", ["rest", "http"])
def test_an_honest_permit_passes(guarded, callers, kind):
    """The control: with the same set-up, a whole permit lets the request through."""
    assert getattr(guarded, kind).call("/planets", callers["silver"].headers).status == 200


@pytest.mark.parametrize("kind", ["rest", "http"])
@pytest.mark.parametrize("behaviour", NOT_A_DECISION)
def test_what_is_not_a_decision_is_no_permit(system, guarded, service, callers, behaviour, kind):
    # A 429 makes the authorizer leave the service alone for a while, so it gets a fresh instance.
    if "429" in behaviour:
        fresh_instance(system, guarded)
    service.behaviour = NOT_A_DECISION[behaviour]
    started = time.monotonic()
    answer = getattr(guarded, kind).call("/planets", callers["silver"].headers)
    assert answer.status == 500
    assert time.monotonic() - started < PATIENCE_SECONDS
    if "redirect" in behaviour:
        assert not any(path.startswith("/elsewhere") for path, _, _ in service.calls), "the redirect was followed"
    if "429" in behaviour:
        fresh_instance(system, guarded)
    service.behaviour = behaviours.permit
    assert getattr(guarded, kind).call("/planets", callers["silver"].headers).status == 200, "it did not recover"


@pytest.mark.parametrize("kind", ["rest", "http"])
@pytest.mark.parametrize("code", ["200", 200, "204", "302", "403", "418", 500, "", "yes", None])
def test_any_response_is_a_deny(guarded, service, callers, kind, code):
    """The protocol's deny is the presence of `response`, whatever the code in it."""
    service.behaviour = behaviours.permit_with(
        response={"response_code": code, "response_status": "OK", "http_version": "1.1", "headers": [], "body": ""}
    )
    assert getattr(guarded, kind).call("/planets", callers["silver"].headers).status in (401, 403, 500)


@pytest.mark.parametrize("kind", ["rest", "http"])
def test_the_request_that_the_service_gets(system, guarded, service, callers, kind):
    getattr(guarded, kind).call("/planets?x=1&x=2", callers["silver"].headers)
    (path, headers, body), = service.calls
    assert path == "/sideband/request"
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["client-token"] == system.decision_service.credential
    assert headers["content-type"] == "application/json"
    request = json.loads(body)
    assert request["method"] == "GET"
    assert request["url"].startswith("https://solar-system.example/planets?")
    assert request["http_version"] == "1.1"
    assert isinstance(request["source_ip"], str)
    assert 1 <= int(request["source_port"]) <= 65535
    assert all(len(header) == 1 for header in request["headers"])
    sent = [value for header in request["headers"] for name, value in header.items() if name.lower() == "authorization"]
    assert sent == [callers["silver"].headers[0][1]]


def test_a_server_error_is_tried_again(guarded, service, callers):
    def once_503(handler, request):
        behaviour = behaviours.permit_with_status(503) if len(service.calls) == 1 else behaviours.permit
        behaviour(handler, request)

    service.behaviour = once_503
    assert guarded.rest.call("/planets", callers["silver"].headers).status == 200
    assert len(service.calls) == 2


def test_a_client_error_is_not_tried_again(guarded, service, callers):
    service.behaviour = behaviours.permit_with_status(400)
    assert guarded.rest.call("/planets", callers["silver"].headers).status == 500
    assert len(service.calls) == 1


def test_unavailable_can_be_a_deny(system, guarded, service, callers):
    """PORTCULLIS_ON_UNAVAILABLE=deny."""
    change_setting(system, guarded, "PORTCULLIS_ON_UNAVAILABLE", "deny")
    try:
        service.behaviour = behaviours.no_answer
        assert guarded.rest.call("/planets", callers["silver"].headers).status == 403
        assert guarded.http.call("/planets", callers["silver"].headers).status == 403
    finally:
        change_setting(system, guarded, "PORTCULLIS_ON_UNAVAILABLE", "error")


# Certificates


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def test_a_certificate_of_the_configured_authority_is_accepted(system, callers, authority):
    """The control: what the certificates below get wrong is the only thing wrong with them."""
    assert status_over_tls(system, callers, "tls-good", authority.issue_cert("127.0.0.1"), authority) == 200


def test_a_certificate_of_an_unknown_authority(system, callers, authority):
    stranger = trustme.CA().issue_cert("127.0.0.1")
    assert status_over_tls(system, callers, "tls-stranger", stranger, authority) == 500


def test_a_private_certificate_without_a_configured_authority(system, callers, authority):
    assert status_over_tls(system, callers, "tls-unconfigured", authority.issue_cert("127.0.0.1"), None) == 500


def test_a_certificate_for_another_host(system, callers, authority):
    other = authority.issue_cert("decisions.example")
    assert status_over_tls(system, callers, "tls-other-host", other, authority) == 500


def test_an_expired_certificate(system, callers, authority):
    from datetime import datetime, timedelta, timezone

    now = datetime.now(timezone.utc)
    expired = authority.issue_cert("127.0.0.1", not_before=now - timedelta(days=9), not_after=now - timedelta(days=2))
    assert status_over_tls(system, callers, "tls-expired", expired, authority) == 500


def status_over_tls(system, callers, stack, certificate, authority):
    """What a request gets when a service with this certificate permits it."""
    service = SidebandService(certificate)
    try:
        trusted = {"RootCa": authority.cert_pem.bytes().decode()} if authority else {}
        apis = system.deploy(stack, service_url=service.url(), **trusted)
        status = apis.rest.call("/planets", callers["silver"].headers).status
        assert apis.http.call("/planets", callers["silver"].headers).status == status
        assert status == 200 or not service.calls, "the request went out before the certificate was checked"
        return status
    finally:
        service.stop()


def fresh_instance(system, apis):
    change_setting(system, apis, "RESTARTED_AT", str(time.monotonic()))
