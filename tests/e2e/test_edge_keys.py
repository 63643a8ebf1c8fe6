"""Does the edge function find the keys of its issuer, and the new ones when they change?"""

import json

import pytest

from conftest import eventually
from edge_package import EdgeFunctions
from local_issuer import LocalIssuer

AUDIENCE = "https://api.example"
# In seconds: the time between two requests for keys, and how old keys may be while no others can be had.
COOL_DOWN, MAX_AGE, MAX_STALE_AGE = 10, 3600, 24 * 3600


@pytest.fixture
def issuer():
    issuer = LocalIssuer(AUDIENCE)
    yield issuer
    issuer.stop()


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    functions = EdgeFunctions(tmp_path_factory)
    yield functions
    functions.stop()


@pytest.fixture
def start(edge, issuer):
    """A function that decides itself, and what makes its time pass."""

    def call(**keys):
        settings = {"PORTCULLIS_ISSUER": issuer.url, "PORTCULLIS_AUDIENCE": AUDIENCE, "PORTCULLIS_SCOPES": "GET /things"}
        files = {"keys.json": json.dumps(keys)} if keys else {}
        package = edge.package(settings | ({"PORTCULLIS_JWKS": "file:keys.json"} if keys else {}), **files)
        copy, pass_by = edge.with_clock(package)
        return edge.run(copy), pass_by

    yield call
    edge.secrets.update(issuer.tokens)


def asks(function, token):
    """The reason that is found for a token."""
    return function.call("/things", [("Authorization", f"Bearer {token}")]).log.decided["reason"]


def test_the_keys_are_there_for_the_first_event(start, issuer):
    """They are asked for while the function starts, and once."""
    function, _ = start()
    assert [asks(function, issuer.token()) for _ in range(3)] == ["permitted"] * 3
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_new_keys_are_found_when_a_token_names_one(start, issuer):
    """But not for every token that names one that nobody has."""
    function, pass_by = start()
    assert asks(function, issuer.token()) == "permitted"
    before = issuer.token()
    issuer.rotate()
    assert asks(function, issuer.token()) == "unknown_key"
    asked = len(issuer.asked)
    pass_by(COOL_DOWN)
    assert asks(function, issuer.token()) == "permitted"
    assert len(issuer.asked) == asked + 2
    assert asks(function, before) == "unknown_key"


def test_old_keys_go_on_while_the_issuer_is_away(start, issuer):
    """For a day, and then nothing can be decided."""
    function, pass_by = start()
    token = issuer.token(exp=4102444800)
    assert asks(function, token) == "permitted"
    issuer.stop()
    pass_by(MAX_AGE)
    assert asks(function, token) == "permitted"
    pass_by(MAX_STALE_AGE)
    reply = function.call("/things", [("Authorization", f"Bearer {token}")])
    assert (reply.outcome, reply.status) == ("generated", 503)
    assert "the keys of issuer" in reply.log.line("no decision could be had")["error"]


def test_keys_in_the_package_are_used_at_once_and_renewed(start, issuer):
    """A key that was withdrawn since the package was made is not used for long."""
    packed, old = issuer.keys, issuer.token()
    issuer.rotate()
    function, pass_by = start(**packed)
    assert asks(function, old) == "permitted"
    eventually(lambda: len(issuer.asked) == 2)
    eventually(lambda: asks(function, issuer.token()) == "permitted")
    assert asks(function, old) == "unknown_key"
