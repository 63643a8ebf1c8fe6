"""An issuer of access tokens in this process, for tests that need tokens which no honest server would give out."""

import base64
import hashlib
import json
import secrets
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from localaws import loopback

COORDINATE_BYTES = 32


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class SigningKey:
    """A key for ES256."""

    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())
        point = self._key.public_key().public_numbers()
        self.jwk = {
            "kty": "EC",
            "crv": "P-256",
            "x": base64url(point.x.to_bytes(COORDINATE_BYTES)),
            "y": base64url(point.y.to_bytes(COORDINATE_BYTES)),
        }

    @property
    def thumbprint(self):
        """RFC 7638."""
        return base64url(hashlib.sha256(json.dumps(self.jwk, sort_keys=True, separators=(",", ":")).encode()).digest())

    def sign(self, header, claims):
        """A JWS in compact form."""
        signed = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "ES256", **header}, claims))
        r, s = utils.decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{base64url(r.to_bytes(COORDINATE_BYTES) + s.to_bytes(COORDINATE_BYTES))}"


class LocalIssuer:
    """Publishes its metadata and its key on loopback, and signs whatever claims it is given.

    Every token that it made is kept in `tokens`, so that logs can be searched for them; `asked` has the paths that were
    asked for, and `documents` what is published beside them, by path. Whose id and secret are in `clients` gets a token at
    `/token` (RFC 6749 section 4.4).
    """

    def __init__(self, audience):
        self.audience = audience
        self.tokens = []
        self.asked = []
        self.documents = {}
        self.clients = {}
        self.rotate()
        issuer = self

        class Handler(loopback.Handler):
            def do_GET(self):
                issuer.asked.append(self.path)
                documents = issuer.documents | {
                    "/.well-known/openid-configuration": {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"},
                    "/keys": issuer.keys,
                }
                body = json.dumps(documents.get(self.path, {})).encode()
                status = 200 if self.path in documents else 404
                self.answer(status, [("Content-Type", "application/json")], body)

            def do_POST(self):
                issuer.asked.append(self.path)
                form = dict(urllib.parse.parse_qsl(self.body().decode()))
                credentials = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
                client, _, secret = credentials.partition(":")
                if self.path != "/token" or form.get("grant_type") != "client_credentials":
                    status, answer = 400, {"error": "invalid_request"}
                elif issuer.clients.get(client) != secret:
                    status, answer = 401, {"error": "invalid_client"}
                else:
                    token = issuer.token(client_id=client, sub=client, scope=form.get("scope"))
                    status, answer = 200, {"access_token": token, "token_type": "Bearer", "expires_in": 600}
                self.answer(status, [("Content-Type", "application/json")], json.dumps(answer).encode())

        self._server = loopback.Server(Handler)
        self.url = self._server.url

    def rotate(self):
        """Signs with a new key from now on, and publishes no other."""
        self.key = SigningKey()
        self.keys = {"keys": [{**self.key.jwk, "kid": self.key.thumbprint, "alg": "ES256", "use": "sig"}]}

    def token(self, key=None, **claims):
        """An access token of RFC 9068; `claims` replace its claims, and None takes one away."""
        now = int(time.time())
        usual = {
            "iss": self.url,
            "aud": self.audience,
            "sub": "subject-of-the-tests",
            "client_id": "client",
            "jti": secrets.token_urlsafe(16),
            "iat": now - 5,
            "exp": now + 600,
        }
        claims = {name: value for name, value in (usual | claims).items() if value is not None}
        token = (key or self.key).sign({"typ": "at+jwt", "kid": self.key.thumbprint}, claims)
        self.tokens.append(token)
        return token

    def dpop_token(self, key, **claims):
        """A token that is bound to `key` (RFC 9449 section 6)."""
        return self.token(**claims, cnf={"jkt": key.thumbprint})

    def stop(self):
        self._server.stop()


def dpop_proof(key, method, url, token):
    """The proof that a request with `token` needs (RFC 9449 section 4.2), good for one request."""
    claims = {
        "htm": method,
        "htu": url,
        "iat": int(time.time()),
        "jti": secrets.token_urlsafe(16),
        "ath": base64url(hashlib.sha256(token.encode()).digest()),
    }
    return key.sign({"typ": "dpop+jwt", "jwk": key.jwk}, claims)
