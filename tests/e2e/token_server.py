"""The authorization server of the tests that need more kinds of tokens than the solar system has."""

import base64
import http.client
import json
import ssl
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from localaws import paths
from localaws.authorization_server import DIRECTORY as PROVIDER
from localaws.calls import Answer, Endpoint
from localaws.processes import ComponentFailure, Process, plain_environment

SERVER = Path(__file__).parent / "authorization-server" / "server.js"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SIGNED_INTROSPECTION = "application/token-introspection+jwt"


@dataclass(frozen=True)
class Certificate:
    """A client certificate: the files for TLS, and the PEM that a gateway hands on."""

    certificate: str
    key: str

    @property
    def pem(self):
        return Path(self.certificate).read_text()


class TokenServer:
    """Resources, clients and what they are for are in authorization-server/provider.js."""

    def __init__(self, directory):
        for modules, repair in ((PROVIDER, PROVIDER), (paths.REPOSITORY / "tests" / "oracle", "tests/oracle")):
            if not (modules / "node_modules").is_dir():
                raise ComponentFailure("token server", f"run `npm ci` in {repair} first")
        self.process = Process("token server", ["node", SERVER, directory], directory, plain_environment())
        ready = self.process.wait_until(self._ready_line, seconds=30)
        self.issuer = ready["issuer"]
        self.endpoints = ready["endpoints"]
        self.resources = ready["resources"]
        self.scopes = ready["scopes"]
        self.clients = ready["clients"]
        self.ca = ready["ca"]
        self.certificates = {name: Certificate(**files) for name, files in ready["certificates"].items()}

    def _ready_line(self):
        for line in self.process.log().splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                return json.loads(line)
        return None

    def token(self, resource, client="machine", headers=(), scopes=None):
        """An access token for the resource of that name, with every scope where none are given."""
        return self._token("token", resource, client, headers, scopes, self._post)

    def dpop_token(self, resource, key="usual", alg="ES256", scopes=None):
        """A token that is bound to the client's key of that name and algorithm (RFC 9449)."""
        proof = self.dpop_proof("POST", self.endpoints["token"], key=key, alg=alg)
        return self.token(resource, "dpop-machine", [("DPoP", proof)], scopes)

    def dpop_proof(self, method, url, access_token=None, **overrides):
        """A proof for one request.

        `key` names the client's key that the proof shows, `signer` the one that signs it, `alg` the
        algorithm; `header` is a dict of header members to replace. Every other keyword replaces a claim.
        None takes a member away.
        """
        ours = {name: overrides.pop(name) for name in ("key", "signer", "alg", "header") if name in overrides}
        request = {"method": method, "url": url, "access_token": access_token, "claims": overrides, **ours}
        return self._control("proof", **request)["proof"]

    def dpop_thumbprint(self, key="usual", alg="ES256"):
        """The RFC 7638 thumbprint of the client's key of that name and algorithm."""
        return self._control("proof", method="GET", url=self.issuer, key=key, alg=alg)["jkt"]

    def mtls_token(self, resource, certificate="usual", scopes=None):
        """A token that is bound to the client certificate of that name (RFC 8705), and the certificate."""
        used = self.certificates[certificate]
        return self._token("mtls_token", resource, "mtls-machine", (), scopes, self._post_with(used)), used

    def introspect(self, token, client="introspect-basic", signed=False):
        """What the server says of a token (RFC 7662): a dict, or a JWT where `signed` (RFC 9701)."""
        accept = [("Accept", SIGNED_INTROSPECTION if signed else "application/json")]
        answer = self._call("introspection", client, {"token": token}, accept, self._post)
        return answer.body.decode() if signed else answer.json()

    def revoke(self, token, client="machine"):
        """Takes an opaque token back (RFC 7009)."""
        self._call("revocation", client, {"token": token}, (), self._post)

    def rotate_keys(self, keep_old=False):
        """Signs with new keys from now on, and publishes the old ones no more unless told to."""
        return self._control("rotate", keep=keep_old)["kids"]

    @property
    def jwks_requests(self):
        """When the keys were fetched, in seconds since 1970."""
        return self._control("jwks-requests")["seconds"]

    def judgement(self, token, resource, method="GET", url="https://api.example/things", proof=None):
        """What oauth4webapi says of a token and its proof: {"accepted", "why"}."""
        request = {"token": token, "proof": proof, "method": method, "url": url, "audience": self.resources[resource]}
        return self._control("validate", **request)

    def stop(self):
        self.process.stop()

    def _token(self, endpoint, resource, client, headers, scopes, post):
        scope = " ".join(self.scopes if scopes is None else scopes)
        form = {"grant_type": "client_credentials", "resource": self.resources[resource]}
        form |= {"scope": scope} if scope else {}
        return self._call(endpoint, client, form, headers, post).json()["access_token"]

    def _call(self, endpoint, client, form, headers, post):
        """Sends a form as that client, which proves itself in the way that it is registered for."""
        url = self.endpoints[endpoint]
        credentials, more = self._authentication(client)
        headers = [*headers, *credentials, ("Content-Type", "application/x-www-form-urlencoded")]
        answer = post(url, headers, urllib.parse.urlencode(form | more).encode())
        if answer.status != 200:
            raise self.process.failure(f"{endpoint} answered {answer.status} to {client}: {answer.body[:300]!r}")
        return answer

    def _authentication(self, client):
        secret = self.clients[client].get("secret")
        if secret is None:
            assertion = self._control("assertion", client=client, audience=self.issuer)["assertion"]
            return [], {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        if client == "introspect-post":
            return [], {"client_id": client, "client_secret": secret}
        return [("Authorization", f"Basic {base64.b64encode(f'{client}:{secret}'.encode()).decode()}")], {}

    def _post(self, url, headers, body):
        url = urllib.parse.urlsplit(url)
        return Endpoint(url.port).call(url.path, headers, method="POST", body=body)

    def _post_with(self, certificate):
        def post(url, headers, body):
            context = ssl.create_default_context(cafile=self.ca)
            context.load_cert_chain(certificate.certificate, certificate.key)
            url = urllib.parse.urlsplit(url)
            connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=30, context=context)
            try:
                connection.request("POST", url.path, body, dict(headers))
                response = connection.getresponse()
                return Answer(response.status, response.getheaders(), response.read())
            finally:
                connection.close()

        return post

    def _control(self, command, **request):
        answer = self._post(f"{self.issuer}/control/{command}", [], json.dumps(request).encode())
        if answer.status != 200:
            raise self.process.failure(f"{command} answered {answer.status}: {answer.body[:300]!r}")
        return answer.json()
