"""The cases of test_enforcement_matrix.py: what clients send, what is found by whom, and what cannot be asked or told."""

import time
from dataclasses import dataclass

from authorizer_events import DIALECTS, TOKEN_BASE
from local_issuer import SigningKey, dpop_proof

HOST = "api.example"
AUDIENCE = "https://api.example"
POLICY = f"""
name: Matrix
base_urls: ["https://{HOST}", "{TOKEN_BASE}"]
tokens:
  - issuer: %s
    audiences: [{AUDIENCE}]
operations:
  # The second path is the route of a WebSocket API, for whoever is told nothing else.
  - {{ name: Things, methods: [GET], paths: [/things, /], rules: {{ scopes: {{ any_of: [silver] }} }} }}
  - {{ name: Open, methods: [GET], paths: [/open], public: true }}
  - {{ name: Strong, methods: [GET], paths: [/strong], rules: {{ authentication: {{ acr_values: [strong], max_age: 300 }} }} }}
  - name: Guarded
    methods: [GET]
    paths: [/guarded]
    policy: guard.yaml
    statements:
      - {{ code: denied-reason, payload: {{ status: 451, message: Restricted, detail: "not here" }} }}
      - {{ code: set-headers, applies_to: deny, payload: {{ X-Why: "by policy" }} }}
  - name: Marked
    methods: [GET]
    paths: [/marked]
    statements: [{{ code: set-headers, payload: {{ X-Tier: silver, X-Gone: null }} }}]
  - name: Asked
    methods: [GET]
    paths: [/asked]
    statements: [{{ code: modify-query, payload: {{ tier: silver, gone: null }} }}]
"""
GUARD = 'validators: [{ name: "false" }]\n'
SCOPES = "GET /things = silver; GET / = silver; GET /open = public"
# The decision point behind AuthZEN knows the scopes; the table has the routes.
ROUTES = "GET /things; GET /; GET /open = public; GET /strong; GET /guarded; GET /marked"
CLAIMS = "scope acr auth_time"

POINTS = ["sideband", "oauth", "bundle", "authzen"]


@dataclass(frozen=True)
class Found:
    """A decision. `status` is what the client would be told, None for a permit; `challenge` an expression."""

    reason: str
    status: int | None = None
    challenge: str | None = None

    @property
    def decision(self):
        return "permit" if self.status is None else "deny"


@dataclass(frozen=True)
class Case:
    """A request, and what is found where this function holds the policy, unless a decision point is named."""

    path: str
    headers: object
    found: Found
    query: str = ""
    # What is found where an AuthZEN service is asked; None where the case is the same.
    authzen: Found | None = None
    # Whether anybody is asked: what two readers could understand differently is refused before.
    screened: bool = False
    # A scope table has no rules but scopes.
    oauth: bool = True
    # An AuthZEN decision is yes or no.
    over_authzen: bool = True

    def expected(self, point):
        if point == "authzen" and self.authzen:
            return self.authzen
        # All that a sideband answer tells of its reason is whether the challenge asks for a scope.
        if point == "sideband" and not self.screened and self.found.reason != "insufficient_scope":
            word = "permitted" if self.found.status is None else "denied"
            return Found(f"{word}_by_decision_point", self.found.status, self.found.challenge)
        return self.found

    def is_asked_of(self, point):
        return {"oauth": self.oauth, "authzen": self.over_authzen}.get(point, True)


class Sender:
    """What clients send in the name of the issuer."""

    def __init__(self, issuer):
        self.issuer, self.key = issuer, SigningKey()

    def bearer(self, **claims):
        return (("Authorization", f"Bearer {self.issuer.token(**claims)}"),)

    def bound(self, with_proof):
        token = self.issuer.dpop_token(self.key, scope="silver")
        proof = (("DPoP", dpop_proof(self.key, "GET", f"https://{HOST}/things", token)),) if with_proof else ()
        return (("Authorization", f"DPoP {token}"), *proof)

    def twice(self):
        return self.bearer(scope="silver") + self.bearer(scope="silver")


BY_POINT = Found("permitted_by_decision_point")
NOT_BY_POINT = Found("denied_by_decision_point", 403)
INVALID_REQUEST = r'^Bearer error="invalid_request"'
INVALID_TOKEN = r'^Bearer .*error="invalid_token"'
STEP_UP = r'^Bearer .*error="insufficient_user_authentication".*acr_values="strong"'

CASES = {
    "permit": Case("/things", lambda one: one.bearer(scope="silver"), Found("permitted"), authzen=BY_POINT),
    "public": Case("/open", lambda one: (), Found("public")),
    "no route": Case("/nowhere", lambda one: one.bearer(scope="silver"), Found("no_operation", 403)),
    "no token": Case("/things", lambda one: (), Found("missing_token", 401, r"^Bearer (?!.*error=)")),
    "malformed token": Case(
        "/things", lambda one: (("Authorization", "Bearer no.token"),), Found("malformed_token", 401, INVALID_TOKEN)
    ),
    "expired token": Case(
        "/things",
        lambda one: one.bearer(scope="silver", exp=int(time.time()) - 60),
        Found("token_expired", 401, INVALID_TOKEN),
    ),
    "wrong audience": Case(
        "/things",
        lambda one: one.bearer(scope="silver", aud="https://other.example"),
        Found("wrong_audience", 401, INVALID_TOKEN),
    ),
    "forged token": Case(
        "/things", lambda one: one.bearer(key=one.key, scope="silver"), Found("invalid_signature", 401, INVALID_TOKEN)
    ),
    "insufficient scope": Case(
        "/things",
        lambda one: one.bearer(scope="bronze"),
        Found("insufficient_scope", 403, r'^Bearer .*error="insufficient_scope".*scope="silver"'),
        authzen=NOT_BY_POINT,
    ),
    "step-up": Case(
        "/strong",
        lambda one: one.bearer(acr="weak", auth_time=int(time.time()) - 10),
        Found("insufficient_user_authentication", 401, STEP_UP + ".*max_age"),
        # The obligation of AuthZEN has no word for max_age.
        authzen=Found("insufficient_user_authentication", 401, STEP_UP),
        oauth=False,
    ),
    "stepped up": Case(
        "/strong",
        lambda one: one.bearer(acr="strong", auth_time=int(time.time()) - 10),
        Found("permitted"),
        authzen=BY_POINT,
        oauth=False,
    ),
    "bound without proof": Case(
        "/things",
        lambda one: one.bound(with_proof=False),
        Found("invalid_dpop_proof", 401, r'^DPoP .*error="invalid_dpop_proof".*algs="'),
    ),
    "bound with proof": Case("/things", lambda one: one.bound(with_proof=True), Found("permitted"), authzen=BY_POINT),
    "policy deny": Case(
        "/guarded",
        lambda one: one.bearer(scope="silver"),
        Found("denied_by_policy", 451),
        authzen=NOT_BY_POINT,
        oauth=False,
    ),
    "headers set": Case(
        "/marked",
        lambda one: (*one.bearer(scope="silver"), ("X-Tier", "gold"), ("X-Gone", "1")),
        Found("permitted"),
        # A permit that holds only with edits is none for whoever cannot make them.
        authzen=NOT_BY_POINT,
        oauth=False,
    ),
    "query modified": Case(
        "/asked",
        lambda one: one.bearer(scope="silver"),
        Found("permitted"),
        query="tier=gold&kept=1&gone=1",
        oauth=False,
        over_authzen=False,
    ),
    "ambiguous path": Case(
        "/things/../open",
        lambda one: one.bearer(scope="silver"),
        Found("ambiguous_path", 400, INVALID_REQUEST),
        screened=True,
    ),
    "repeated Authorization": Case(
        "/things", lambda one: one.twice(), Found("ambiguous_authorization", 400, INVALID_REQUEST), screened=True
    ),
}

# What the event of a dialect has no place for.
CANNOT_ASK = {
    ("rest_token", "bound with proof"): "a TOKEN event has no header but the token",
    ("rest_token", "repeated Authorization"): "a TOKEN event has one token",
    ("rest_token", "query modified"): "a TOKEN event has no query",
    ("websocket", "ambiguous path"): "the event of a WebSocket API has a stage in the place of a path",
}
# Decision points for which a WebSocket API is one route, whatever its stage: theirs are below the stage.
ONE_ROUTE = {"oauth", "authzen"}
# The dialects whose answer to a 401 is the error `Unauthorized`, which has no context and so no challenge.
CANNOT_TELL = {"rest_token", "rest_request", "http_v1", "websocket"}
# What no authorizer can do: the request is refused with an error then.
CANNOT_DO = {"query modified"}


def cells():
    """Every case with every decision point and every dialect that can ask it."""
    for point in POINTS:
        for name, case in CASES.items():
            for dialect in DIALECTS:
                other_route = dialect == "websocket" and point in ONE_ROUTE and case.path != "/things"
                if case.is_asked_of(point) and (dialect, name) not in CANNOT_ASK and not other_route:
                    yield point, name, dialect
