"""Who asks for what, and what the policy says to it: the tokens of several users, good and bad, on every route."""

import time
from dataclasses import dataclass

from local_issuer import SigningKey

HOST = "api.example"
AUDIENCE = f"https://{HOST}"
HOUR = 3600
SILVER, GOLD = "silver", "silver gold"
POLICY = """
name: Faults
base_urls: ["%(audience)s"]
tokens: [{ issuer: "%(issuer)s", audiences: ["%(audience)s"], leeway: 0 }]
unmatched: deny
operations:
  - { name: Planet, methods: [GET], paths: ["/planets/{id}"], rules: { scopes: { any_of: [silver] } } }
  - { name: Moon, methods: [GET], paths: ["/moons/{id}"], rules: { scopes: { any_of: [gold] } } }
  - { name: Asteroid, methods: [GET], paths: ["/asteroids/{id}"] }
"""
ROUTES = "GET /planets/{id} = silver; GET /moons/{id} = gold; GET /asteroids/{id}"


@dataclass(frozen=True)
class Case:
    """A kind of request. `reason` is the reason code that the policy has for it; `token` is None where none is sent."""

    name: str
    route: str
    token: str | None
    reason: str

    @property
    def permitted(self):
        return self.reason == "permitted"

    @property
    def headers(self):
        return (("Authorization", f"Bearer {self.token}"),) if self.token else ()


def oauth_mode(issuer_url):
    """Settings of an authorizer that decides itself, by the same policy."""
    return {
        "PORTCULLIS_ISSUER": issuer_url, "PORTCULLIS_AUDIENCE": AUDIENCE, "PORTCULLIS_SCOPES": ROUTES, "PORTCULLIS_LEEWAY": "0s",
    }


def write_policy(directory, issuer_url):
    """A policy directory in that directory."""
    services = directory / "policy" / "services"
    services.mkdir(parents=True)
    (services / "faults.yaml").write_text(POLICY % {"audience": AUDIENCE, "issuer": issuer_url})
    return directory / "policy"


def cases(issuer):
    """Five that the policy permits and eight that it denies, each for another reason or on another route."""
    now = int(time.time())
    lasting = {"iat": now - 5, "exp": now + 4 * HOUR}
    silver = issuer.token(sub="silver", scope=SILVER, **lasting)
    gold = issuer.token(sub="gold", scope=GOLD, **lasting)
    plain = issuer.token(sub="plain", **lasting)
    expired = issuer.token(sub="late", scope=GOLD, iat=now - 2 * HOUR, exp=now - HOUR)
    forged = issuer.token(SigningKey(), sub="forger", scope=GOLD, **lasting)
    elsewhere = issuer.token(sub="stranger", scope=GOLD, aud="https://other.example", **lasting)
    of_another = issuer.token(sub="other", scope=GOLD, iss="https://idp.example", **lasting)
    return [
        Case("silver sees a planet", "planets", silver, "permitted"),
        Case("silver sees no moon", "moons", silver, "insufficient_scope"),
        Case("gold sees a planet", "planets", gold, "permitted"),
        Case("an expired token", "planets", expired, "token_expired"),
        Case("gold sees a moon", "moons", gold, "permitted"),
        Case("a forged token", "moons", forged, "invalid_signature"),
        Case("a token without a scope sees an asteroid", "asteroids", plain, "permitted"),
        Case("a token without a scope sees no planet", "planets", plain, "insufficient_scope"),
        Case("a token for another audience", "asteroids", elsewhere, "wrong_audience"),
        Case("silver sees an asteroid", "asteroids", silver, "permitted"),
        Case("a token of another issuer", "asteroids", of_another, "unknown_issuer"),
        Case("nobody", "asteroids", None, "missing_token"),
        Case("no operation", "comets", gold, "no_operation"),
    ]
