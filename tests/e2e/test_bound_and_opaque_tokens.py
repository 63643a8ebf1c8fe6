"""Opaque tokens, and tokens that are bound to a key or a certificate: real ones, at the decision service."""

import base64
import json
import re
import time

import pytest

from conftest import eventually
from localaws.decision_service import DecisionService
from localaws.processes import ComponentFailure
from test_token_server import THINGS, reason_of
from token_server import TokenServer

POLICY = """
name: Things
base_urls: [https://api.example]
tokens:
  - issuer: {issuer}
    audiences: {audiences}
    introspection: {{ client_id: {client}, secret: INTROSPECTION_SECRET{more} }}
operations:
  - {{ name: Read, methods: [GET], paths: [/things], rules: {{ scopes: {{ any_of: [read] }} }} }}
  - {{ name: Write, methods: [PUT], paths: [/things], rules: {{ scopes: {{ any_of: [nobody-has-it] }} }} }}
  - {{ name: With DPoP, methods: [GET], paths: [/dpop], rules: {{ sender_constraint: dpop }} }}
  - {{ name: With mTLS, methods: [GET], paths: [/mtls], rules: {{ sender_constraint: mtls }} }}
"""
DPOP, MTLS = "https://api.example/dpop", "https://api.example/mtls"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = TokenServer(tmp_path_factory.mktemp("token-server"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def start(server, tmp_path_factory):
    """Starts decision services and stops them in the end."""
    started = []

    def call(client="introspect-basic", more="", secret=None, **environment):
        directory = tmp_path_factory.mktemp("bound")
        services = directory / "policy" / "services"
        services.mkdir(parents=True)
        audiences = json.dumps([uri for name, uri in server.resources.items() if name != "elsewhere"])
        text = POLICY.format(issuer=server.issuer, audiences=audiences, client=client, more=more)
        (services / "things.yaml").write_text(text)
        value = secret or server.clients[client].get("secret") or server.clients[client]["private_key"]
        environment = {"INTROSPECTION_SECRET": value, **environment}
        service = DecisionService(directory / "policy", directory, **environment)
        started.append(service)
        return service

    yield call
    for service in started:
        service.stop()


@pytest.fixture(scope="module")
def service(start):
    return start()


def decide(service, token, scheme="Bearer", url=THINGS, method="GET", proof=None, certificate=None):
    """Status, reason and headers of the response; status 200 for a permit."""
    headers = [{"Authorization": f"{scheme} {token}"}]
    if proof:
        headers.append({"DPoP": proof})
    request = {"source_ip": "192.0.2.1", "source_port": 1, "method": method, "url": url, "http_version": "1.1"}
    request["headers"] = headers
    if certificate:
        der = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END", certificate.pem, re.DOTALL).group(1)
        request["client_certificate"] = {"x5c": ["".join(der.split())]}
    own = [("CLIENT-TOKEN", service.credential), ("Content-Type", "application/json")]
    answer = service.endpoint.call("/sideband/request", own, "POST", json.dumps(request).encode())
    if answer.status != 200:
        return answer.status, "", {}
    response = answer.json().get("response")
    if response is None:
        return 200, reason_of(service, answer), {}
    fields = {name.lower(): value for header in response.get("headers") or [] for name, value in header.items()}
    return int(response["response_code"]), reason_of(service, answer), fields


# --- opaque tokens


@pytest.mark.parametrize(
    ("client", "more"),
    [
        ("introspect-basic", ""),
        ("introspect-post", ", authentication: client_secret_post"),
        ("introspect-jwt", ", authentication: private_key_jwt"),
        ("introspect-signed", ", signed: true"),
    ],
)
def test_an_opaque_token_is_worth_what_its_issuer_says(server, start, client, more):
    service = start(client, f"{more}, max_age: 1")
    token = server.token("opaque", scopes=["read"])
    assert decide(service, token)[:2] == (200, "permitted")
    assert decide(service, token, method="PUT")[:2] == (403, "insufficient_scope")
    assert decide(service, "never-was")[:2] == (401, "token_inactive")
    server.revoke(token)
    eventually(lambda: decide(service, token)[:2] == (401, "token_inactive"), seconds=3)


def test_a_revoked_token_is_accepted_for_as_long_as_the_policy_says(server, start):
    service = start(more=", max_age: 60")
    token = server.token("opaque")
    assert decide(service, token)[0] == 200
    server.revoke(token)
    assert decide(service, token)[0] == 200
    at_once = start(more=", max_age: 0")
    assert decide(at_once, token)[:2] == (401, "token_inactive")


def test_wrong_credentials_of_ours_are_no_answer_to_the_client(server, start):
    service = start(secret="another-secret")
    status, _, _ = decide(service, server.token("opaque"))
    assert status >= 500
    assert "another-secret" not in service.process.log()


def test_without_the_secret_the_service_does_not_start(start):
    with pytest.raises(ComponentFailure, match="INTROSPECTION_SECRET"):
        start(INTROSPECTION_SECRET="")


# --- bound to a DPoP key


@pytest.mark.parametrize("resource", ["ES256", "Ed25519", "opaque"])
def test_a_dpop_token_needs_its_proof(server, service, resource):
    token = server.dpop_token(resource)
    good = server.dpop_proof("GET", DPOP, token)
    assert decide(service, token, "DPoP", DPOP, proof=good)[:2] == (200, "permitted")
    if resource != "opaque":
        assert server.judgement(token, resource, url=DPOP, proof=good)["accepted"]
    # Once.
    assert decide(service, token, "DPoP", DPOP, proof=good)[:2] == (401, "invalid_dpop_proof")
    status, reason, fields = decide(service, token, "Bearer", DPOP)
    assert (status, reason) == (401, "sender_constraint_unmet")
    assert fields["www-authenticate"].startswith("DPoP ") and "algs=" in fields["www-authenticate"]
    other = server.dpop_token(resource)
    for name, proof in {
        "none": None,
        "another method": server.dpop_proof("PUT", DPOP, token),
        "another URL": server.dpop_proof("GET", THINGS, token),
        "another token": server.dpop_proof("GET", DPOP, other),
        "no token": server.dpop_proof("GET", DPOP),
        "another key": server.dpop_proof("GET", DPOP, token, key="other"),
        "signed by another key": server.dpop_proof("GET", DPOP, token, signer="other"),
        "too old": server.dpop_proof("GET", DPOP, token, iat=int(time.time()) - 120),
        "expired": server.dpop_proof("GET", DPOP, token, exp=int(time.time()) - 60),
    }.items():
        assert (name, *decide(service, token, "DPoP", DPOP, proof=proof)[:2]) == (name, 401, "invalid_dpop_proof")


def test_an_operation_can_ask_for_dpop(server, service):
    token = server.token("ES256")
    assert decide(service, token, url=THINGS)[0] == 200
    status, reason, fields = decide(service, token, url=DPOP)
    assert (status, reason) == (401, "sender_constraint_unmet")
    assert fields["www-authenticate"].startswith("DPoP ")


def test_nonces_are_given_and_asked_for(server, start):
    service = start(PORTCULLIS_DPOP_NONCE_KEY="k" * 32)
    token = server.dpop_token("ES256")
    status, reason, fields = decide(service, token, "DPoP", DPOP, proof=server.dpop_proof("GET", DPOP, token))
    assert (status, reason) == (401, "dpop_nonce_required")
    assert 'error="use_dpop_nonce"' in fields["www-authenticate"]
    proof = server.dpop_proof("GET", DPOP, token, nonce=fields["dpop-nonce"])
    assert decide(service, token, "DPoP", DPOP, proof=proof)[:2] == (200, "permitted")


# --- bound to a client certificate


def test_an_mtls_token_needs_its_certificate(server, service):
    token, certificate = server.mtls_token("ES256")
    others = [other for name, other in server.certificates.items() if other.certificate != certificate.certificate]
    assert decide(service, token, url=MTLS, certificate=certificate)[:2] == (200, "permitted")
    for wrong in [None, *others]:
        assert decide(service, token, url=MTLS, certificate=wrong)[:2] == (401, "sender_constraint_unmet")
    plain = server.token("ES256")
    assert decide(service, plain, url=MTLS, certificate=certificate)[:2] == (401, "sender_constraint_unmet")
    assert base64.b64encode(token.encode()).decode() not in service.process.log() and token not in service.process.log()
