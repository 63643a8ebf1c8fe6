"""The app in a real browser: who signs in gets what the policy says, and nothing leaks or is taken in.

The scenarios are in examples/solar-system/app/test/scenarios.js, which drives Chromium. What each
user should get is computed here from the text of the policy.
"""

import json
import re
import shutil
import subprocess
import urllib.parse

import pytest

from localaws import app as localaws_app
from localaws.calls import Endpoint

SCENARIOS = localaws_app.DIRECTORY / "test" / "scenarios.js"
ON_BOTH_APIS = [
    "silver gets what the policy says",
    "gold gets what the policy says",
    "nobody is challenged",
    "a changed token is refused",
]
ON_ONE_API = [
    "the token is shown decoded",
    "one signs out and the other signs in",
    "signing out forgets the token before it leaves the page",
    "a reload forgets the token",
    "a wrong password gives an error and no token",
    "a scope that is not allowed is not in the token",
    "a user cannot take a scope by changing the form",
    "a cancelled sign-in gives no token",
    "an answer with a wrong state is refused",
    "an answer without a state is refused",
    "an answer from another server is refused",
    "an answer that nobody asked for is refused",
    "an ID token of another sign-in is refused",
    "everything can be done with the keyboard",
    "it fits on a telephone",
]
LEAKS = "the token stays in the page"


@pytest.fixture(scope="session")
def app(system, apis):
    return system.start_app(apis)


@pytest.fixture(scope="session")
def chromium():
    path = shutil.which("chromium")
    assert path, "chromium is not on the PATH: run `make browser`"
    assert (localaws_app.DIRECTORY / "node_modules").is_dir(), "playwright-core is missing: run `make browser`"
    return path


@pytest.fixture
def browse(system, app, chromium, tmp_path):
    """Runs one scenario and answers with what it printed."""

    def run(scenario, api="rest"):
        policy = system.policy
        paths = [path for operation in policy.operations() for path in operation["paths"]]
        users = {
            name: user | {"expected": {path: policy.expected_status("GET", path, user["scopes"]) for path in paths}}
            for name, user in system.authorization_server.users.items()
        }
        settings = {
            "chromium": chromium,
            "app": app.url,
            "issuer": system.authorization_server.issuer,
            "profile": str(tmp_path / "profile"),
            "api": api,
            "users": users,
        }
        ended = subprocess.run(
            ["node", SCENARIOS, scenario, json.dumps(settings)], capture_output=True, text=True, timeout=120
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return run


@pytest.mark.parametrize("api", ["rest", "http"])
@pytest.mark.parametrize("scenario", ON_BOTH_APIS)
def test_both_apis(browse, scenario, api):
    browse(scenario, api)


@pytest.mark.parametrize("scenario", ON_ONE_API)
def test_app(browse, scenario):
    browse(scenario)


def test_the_token_is_in_no_address_no_storage_and_no_log(browse, system, app, apis):
    secrets = browse(LEAKS)["secrets"]
    logs = {
        "app": app.process.log(),
        "authorization server": system.authorization_server.process.log(),
        "MiniStack": system.aws.process.log(),
        "decision service": system.decision_service.process.log(),
        "authorizer": "\n".join(system.aws.log_lines(apis.authorizer_log_group)),
    }
    assert "GET /api/rest/moons 200" in logs["app"], "the log was read"
    # Two tokens in two parts each, and the code.
    assert len(secrets) == 5 and all(secrets)
    for name, log in logs.items():
        assert not any(secret in log for secret in secrets), f"a secret is in the log of the {name}"


def test_every_scenario_is_run():
    listed = subprocess.run(["node", SCENARIOS, "--list"], capture_output=True, text=True, check=True).stdout
    assert sorted(json.loads(listed)) == sorted([*ON_BOTH_APIS, *ON_ONE_API, LEAKS])


def test_pages_may_only_run_their_own_scripts(app):
    answer = app.endpoint.call("/")
    assert answer.status == 200
    policy = answer.header("Content-Security-Policy")
    assert "default-src 'none'" in policy and "script-src 'self';" in policy
    assert "unsafe" not in policy and "*" not in policy
    assert answer.header("Referrer-Policy") == "no-referrer"
    for inline in (rb"<script(?![^>]*\bsrc=)", rb"\son\w+=", rb"<style", rb"style=", rb"https?://"):
        assert not re.search(inline, answer.body)


@pytest.mark.parametrize(
    "path", ["/server.js", "/../server.js", "/..%2fserver.js", "/package.json", "/public/app.js", "//app.js", "/api/aws/planets"]
)
def test_only_the_pages_are_served(app, path):
    assert app.endpoint.call(path).status == 404


def test_another_name_for_the_address_is_refused(app):
    for path in ("/", "/api/rest/asteroids"):
        assert Endpoint(app.endpoint.port, "rebound.example").call(path).status == 421


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "PKCE"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
def test_the_authorization_server_wants_code_and_pkce(system, app, change, problem):
    answer = authorization_request(system, app, change)
    back = urllib.parse.urlsplit(answer.header("Location"))
    assert f"{back.scheme}://{back.netloc}{back.path}" == app.url
    assert problem in back.query + back.fragment


def test_the_unchanged_request_is_taken(system, app):
    assert "/interaction/" in authorization_request(system, app, {}).header("Location")


@pytest.mark.parametrize("redirect_uri", ["http://localhost:1/", "http://127.0.0.1/", "https://attacker.example/"])
def test_no_answer_goes_to_another_address(system, app, redirect_uri):
    answer = authorization_request(system, app, {"redirect_uri": redirect_uri})
    assert answer.status == 400
    assert answer.header("Location") is None


@pytest.mark.parametrize("own", [True, False])
def test_only_the_app_may_read_the_token_endpoint(system, app, own):
    origin = app.url.rstrip("/") if own else "https://attacker.example"
    answer = token_request(system, {"grant_type": "authorization_code", "code": "x"}, [("Origin", origin)])
    assert answer.status == 400
    assert answer.header("Access-Control-Allow-Origin") == (origin if own else None)


def test_the_app_gets_no_token_without_a_user(system, app):
    scope = " ".join(system.authorization_server.app["scopes"])
    answer = token_request(
        system, {"grant_type": "client_credentials", "scope": scope, "resource": system.authorization_server.resource}
    )
    assert answer.status == 400
    assert answer.json()["error_description"] == "requested grant type is not allowed for this client"


def authorization_request(system, app, change):
    """The request that the app makes, with some parameters changed and those that are None left out."""
    server = system.authorization_server
    parameters = {
        "response_type": "code",
        "client_id": server.app["client_id"],
        "redirect_uri": app.url,
        "scope": "openid",
        "resource": server.resource,
        "state": "state",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    } | change
    query = urllib.parse.urlencode({name: value for name, value in parameters.items() if value is not None})
    return Endpoint(urllib.parse.urlsplit(server.issuer).port).call(f"/auth?{query}")


def token_request(system, form, headers=()):
    server = system.authorization_server
    body = urllib.parse.urlencode({"client_id": server.app["client_id"]} | form).encode()
    url = urllib.parse.urlsplit(server.token_endpoint)
    form_type = ("Content-Type", "application/x-www-form-urlencoded")
    return Endpoint(url.port).call(url.path, [form_type, *headers], method="POST", body=body)
