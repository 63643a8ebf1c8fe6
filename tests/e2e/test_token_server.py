"""Are the tokens of a real authorization server, in every algorithm, judged as they should be?

And do the helpers of token_server.py tell the truth, which other tests build on?
"""

import base64
import hashlib
import json
import ssl
import subprocess
import time
from dataclasses import dataclass

import pytest

from conftest import eventually
from localaws import paths
from localaws.decision_service import DecisionService
from localaws.processes import ComponentFailure
from token_server import TokenServer

ALGORITHMS = ["RS256", "PS256", "ES256", "Ed25519"]
# Portcullis asks an issuer for keys that it lacks at most this often.
COOL_DOWN_SECONDS = 10
THINGS = "https://api.example/things"

POLICY = """
name: Things
base_urls: [https://api.example]
tokens:
  - issuer: {issuer}
    audiences: {audiences}
operations:
  - name: Read things
    methods: [GET]
    paths: [/things]
    rules:
      scopes: {{ any_of: [read] }}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = TokenServer(tmp_path_factory.mktemp("token-server"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def service(server, tmp_path_factory):
    service = make_service(server, tmp_path_factory.mktemp("things"))
    yield service
    service.stop()


def make_service(server, directory):
    """A decision service that accepts the tokens of every resource but `elsewhere`."""
    policy = directory / "policy"
    (policy / "services").mkdir(parents=True)
    audiences = [uri for name, uri in server.resources.items() if name != "elsewhere"]
    text = POLICY.format(issuer=server.issuer, audiences=json.dumps(audiences))
    (policy / "services" / "things.yaml").write_text(text)
    return DecisionService(policy, directory)


@dataclass(frozen=True)
class Decision:
    """What a decision service said, and the reason that it logged."""

    status: int
    reason: str
    challenge: str = ""


def ask(service, token):
    """The answer to a call about a request with that token."""
    request = {
        **{"source_ip": "192.0.2.1", "source_port": 1, "method": "GET", "url": THINGS, "http_version": "1.1"},
        "headers": [{"Authorization": f"Bearer {token}"}],
    }
    headers = [("CLIENT-TOKEN", service.credential), ("Content-Type", "application/json")]
    return service.endpoint.call("/sideband/request", headers, "POST", json.dumps(request).encode())


def decide(service, token):
    answer = ask(service, token)
    assert answer.status == 200, answer
    response = answer.json().get("response")
    reason = reason_of(service, answer)
    if response is None:
        return Decision(200, reason)
    challenges = [header["www-authenticate"] for header in response["headers"] if "www-authenticate" in header]
    return Decision(int(response["response_code"]), reason, ", ".join(challenges))


def reason_of(service, answer):
    """The reason in the log line of the decision, which is written before the answer goes out."""
    decision_id = answer.header("Correlation-Id")
    for line in service.process.log().splitlines():
        if decision_id in line:
            return json.loads(line)["reason"]
    raise AssertionError(f"no log line for {decision_id}")


def verify(server, resource, token, *more):
    """What `portcullis token verify` says, with keys that it fetches from the issuer."""
    options = ["--issuer", server.issuer, "--audience", server.resources[resource], *more]
    command = [paths.PORTCULLIS, "token", "verify", "--json", *options, "-"]
    done = subprocess.run(command, input=token.encode(), capture_output=True, timeout=30)
    assert done.returncode in (0, 1), done.stderr.decode()
    return json.loads(done.stdout)


def part(token, which):
    text = token.split(".")[which]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


# --- JWTs


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_token_in_every_algorithm_is_accepted(server, service, alg):
    token = server.token(alg)
    assert part(token, 0)["alg"] == alg
    assert server.judgement(token, alg)["accepted"]
    report = verify(server, alg, token)
    assert report["accepted"] and not report["failed"]
    assert {"form", "signature", "claims"} <= set(report["passed"])
    assert decide(service, token) == Decision(200, "permitted")


def test_a_token_for_another_audience_is_refused(server, service):
    token = server.token("elsewhere")
    assert [finding["reason"] for finding in verify(server, "RS256", token)["failed"]] == ["wrong_audience"]
    decision = decide(service, token)
    assert (decision.status, decision.reason) == (401, "wrong_audience")
    assert 'error="invalid_token"' in decision.challenge


def test_an_expired_token_is_refused(server, service):
    token = server.token("expired")
    assert [finding["reason"] for finding in verify(server, "expired", token)["failed"]] == ["token_expired"]
    assert verify(server, "expired", token, "--now", str(part(token, 1)["exp"] + 4))["accepted"]
    decision = decide(service, token)
    assert (decision.status, decision.reason) == (401, "token_expired")
    assert 'error="invalid_token"' in decision.challenge


def test_a_token_of_another_issuer_is_refused(server, service, tmp_path):
    other = TokenServer(tmp_path)
    try:
        token = other.token("RS256")
        assert verify(other, "RS256", token)["accepted"]
    finally:
        other.stop()
    findings = {finding["check"]: finding["reason"] for finding in verify(server, "RS256", token)["failed"]}
    assert findings == {"signature": None, "claims": "unknown_issuer"}
    decision = decide(service, token)
    assert (decision.status, decision.reason) == (401, "unknown_issuer")
    assert 'error="invalid_token"' in decision.challenge


def test_a_token_without_the_scope_is_refused(server, service):
    decision = decide(service, server.token("ES256", scopes=["write"]))
    assert (decision.status, decision.reason) == (403, "insufficient_scope")


@pytest.mark.parametrize("space", ["\t", "\n", "\r\n", "\f", "\v", "\u00a0", "\u2003"])
def test_a_header_with_strange_white_space_is_refused(server, service, space):
    """The command line trims these around a token in a file, which test_token_oracle.py lists."""
    token = server.token("ES256")
    spoilt = [space + token]
    # RFC 9110 section 5.5: a tab at the end is not part of the value.
    spoilt += [token + space] if space != "\t" else []
    for token in spoilt:
        answer = ask(service, token)
        refused = answer.status == 400 or answer.json()["response"]["response_code"] in ("400", "401")
        assert refused, answer


# --- keys


def test_new_keys_are_followed_without_a_restart(server, tmp_path):
    service = make_service(server, tmp_path)
    try:
        old = server.token("ES256")
        assert decide(service, old).status == 200
        before = len(server.jwks_requests)
        server.rotate_keys()
        new = server.token("ES256")
        assert part(new, 0)["kid"] != part(old, 0)["kid"]

        started = time.monotonic()
        refused = set()

        def accepted():
            # Many at once must not become many fetches.
            decisions = [decide(service, new) for _ in range(10)]
            refused.update(decision.reason for decision in decisions if decision.status != 200)
            return all(decision.status == 200 for decision in decisions)

        eventually(accepted, seconds=COOL_DOWN_SECONDS + 5)
        assert refused <= {"unknown_key"}
        assert decide(service, old).reason == "unknown_key"
        requests = server.jwks_requests[before:]
        assert 1 <= len(requests) <= 1 + (time.monotonic() - started) / COOL_DOWN_SECONDS, requests
        assert all(later - earlier > COOL_DOWN_SECONDS - 1 for earlier, later in zip(requests, requests[1:])), requests
    finally:
        service.stop()


def test_old_keys_count_as_long_as_they_are_published(server, tmp_path):
    old = server.token("RS256")
    server.rotate_keys(keep_old=True)
    service = make_service(server, tmp_path)
    try:
        assert decide(service, old).status == 200
        assert decide(service, server.token("RS256")).status == 200
    finally:
        service.stop()


# --- tokens that are worth nothing by themselves


def test_a_bound_token_without_its_proof_is_refused(server, service, fresh_keys):
    bound = {"dpop": server.dpop_token("ES256"), "mtls": server.mtls_token("ES256")[0]}
    for token in bound.values():
        assert not verify(server, "ES256", token)["accepted"]
        decision = decide(service, token)
        assert (decision.status, decision.reason) == (401, "sender_constraint_unmet")


def test_an_opaque_token_is_refused(server, service):
    decision = decide(service, server.token("opaque"))
    assert (decision.status, decision.reason) == (401, "malformed_token")


@pytest.fixture
def fresh_keys(server, service):
    """Waits until the service knows the keys that the server signs with by now."""
    eventually(lambda: decide(service, server.token("ES256")).status == 200, seconds=COOL_DOWN_SECONDS + 5)


# --- the helpers themselves


@pytest.mark.parametrize("client", ["introspect-basic", "introspect-post", "introspect-jwt", "introspect-signed"])
def test_an_opaque_token_can_be_introspected_until_it_is_revoked(server, client):
    token = server.token("opaque", scopes=["read"])
    found = server.introspect(token, client)
    assert found["active"] is True
    assert (found["iss"], found["aud"]) == (server.issuer, server.resources["opaque"])
    assert (found["scope"], found["client_id"], found["token_type"]) == ("read", "machine", "Bearer")
    assert found["exp"] > time.time()
    server.rotate_keys(keep_old=True)
    assert server.introspect(token, client)["active"] is True
    server.revoke(token)
    assert server.introspect(token, client) == {"active": False}
    assert server.introspect("never-was", client) == {"active": False}


def test_an_introspection_can_be_signed(server):
    answer = server.introspect(server.token("opaque"), "introspect-signed", signed=True)
    assert (part(answer, 0)["typ"], part(answer, 0)["alg"]) == ("token-introspection+jwt", "RS256")
    claims = part(answer, 1)
    # RFC 9701 section 5: it is meant for who asked.
    assert (claims["iss"], claims["aud"]) == (server.issuer, "introspect-signed")
    assert claims["token_introspection"]["aud"] == server.resources["opaque"]
    assert claims["token_introspection"]["active"] is True


@pytest.mark.parametrize("resource", ALGORITHMS)
def test_oauth4webapi_accepts_a_bound_token_with_its_proof(server, resource):
    token = server.dpop_token(resource)
    assert part(token, 1)["cnf"] == {"jkt": server.dpop_thumbprint()}
    proof = server.dpop_proof("GET", THINGS, token)
    assert server.judgement(token, resource, proof=proof) == {"accepted": True, "why": None}


@pytest.mark.parametrize(
    "overrides",
    [
        {"htm": "POST"},
        {"htu": "https://api.example/other"},
        {"ath": None},
        {"ath": "x" * 43},
        {"jti": None},
        {"iat": 1},
        {"key": "other"},
        {"signer": "other"},
        {"header": {"typ": "JWT"}},
        {"header": {"jwk": None}},
        {"header": {"alg": "none"}},
    ],
    ids=str,
)
def test_oauth4webapi_refuses_a_proof_with_an_override(server, overrides):
    token = server.dpop_token("ES256")
    proof = server.dpop_proof("GET", THINGS, token, **overrides)
    assert not server.judgement(token, "ES256", proof=proof)["accepted"]


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_proof_may_use_any_algorithm(server, alg):
    token = server.dpop_token("ES256", alg=alg)
    assert part(token, 1)["cnf"] == {"jkt": server.dpop_thumbprint(alg=alg)}
    proof = server.dpop_proof("GET", THINGS, token, alg=alg)
    assert server.judgement(token, "ES256", proof=proof)["accepted"]


@pytest.mark.parametrize("client", ["dpop-machine", "mtls-machine"])
def test_a_client_that_proves_nothing_gets_no_bound_token(server, client):
    with pytest.raises(ComponentFailure, match="invalid_grant"):
        server.token("ES256", client)


@pytest.mark.parametrize("name", ["usual", "other"])
def test_a_bound_token_names_the_hash_of_its_certificate(server, name):
    token, certificate = server.mtls_token("ES256", certificate=name)
    assert part(token, 1)["cnf"] == {"x5t#S256": thumbprint(certificate)}


def test_an_opaque_token_says_what_it_is_bound_to_when_introspected(server):
    assert server.introspect(server.dpop_token("opaque"))["cnf"] == {"jkt": server.dpop_thumbprint()}
    token, certificate = server.mtls_token("opaque")
    assert server.introspect(token)["cnf"] == {"x5t#S256": thumbprint(certificate)}


def thumbprint(certificate):
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.pem)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
