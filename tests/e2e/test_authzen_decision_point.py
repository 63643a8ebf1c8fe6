"""The authorizer asks Cerbos, a decision point that others wrote, over AuthZEN.

The policy in tests/cerbos says in Cerbos' words what examples/solar-system says, so every answer can
be compared with the text of the latter. Cerbos knows the caller's scopes only from the claim that the
authorizer is told to pass on.
"""

import platform

import pytest
from conftest import FunctionError

from localaws import paths
from localaws.calls import Endpoint
from localaws.processes import Process, free_port, plain_environment

CERBOS = paths.REPOSITORY / "tests" / "cerbos"
EXECUTABLE = CERBOS / "node_modules" / "@cerbos" / "cerbos-linux-x64" / "cerbos-linux-x64"
pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="tests/cerbos pins the Cerbos of Linux on x86-64 only",
)
DIALECTS = ["REST REQUEST", "REST TOKEN", "HTTP 2.0 simple", "HTTP 1.0"]
CALLERS = ["nobody", "forged token", "bronze", "silver", "gold"]


class Cerbos:
    def __init__(self, directory):
        self.endpoint = Endpoint(free_port())
        self.process = Process(
            "cerbos",
            [
                EXECUTABLE,
                "server",
                f"--config={CERBOS / 'cerbos.yaml'}",
                f"--set=server.httpListenAddr=127.0.0.1:{self.endpoint.port}",
                f"--set=server.grpcListenAddr=127.0.0.1:{free_port()}",
            ],
            directory,
            plain_environment(CERBOS_NO_TELEMETRY="1"),
            working_directory=CERBOS,
        )
        self.process.wait_until(self._is_ready, seconds=30)

    @property
    def url(self):
        return self.endpoint.url

    def _is_ready(self):
        try:
            return self.endpoint.call("/_cerbos/health", timeout=2).status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def cerbos(tmp_path_factory):
    cerbos = Cerbos(tmp_path_factory.mktemp("cerbos"))
    yield cerbos
    cerbos.process.stop()


@pytest.fixture(scope="module")
def stacks(system, cerbos):
    """Cerbos alone about every path, and Cerbos behind a table of scopes and found by its metadata."""
    asked = system.authzen_parameters(cerbos.url)
    return {
        "alone": system.deploy("authzen-request", **asked),
        "table": system.deploy(
            "authzen-token",
            **asked
            | {
                "Scopes": "GET /planets; GET /moons = http://myapp.com/scp/gold; GET /asteroids",
                "AuthzenDiscovery": "true",
                "RestAuthorizerType": "TOKEN",
                "HttpPayloadFormat": "1.0",
            },
        ),
    }


@pytest.fixture(scope="module")
def authzen(stacks):
    return {
        "REST REQUEST": stacks["alone"].rest,
        "REST TOKEN": stacks["table"].rest,
        "HTTP 2.0 simple": stacks["alone"].http,
        "HTTP 1.0": stacks["table"].http,
    }


@pytest.mark.parametrize("path", ["/planets", "/moons", "/asteroids", "/not-in-the-policy"])
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_answer_is_what_both_policies_say(system, authzen, callers, dialect, caller, path):
    api, caller = authzen[dialect], callers[caller]
    expected, _ = api.expected(system.policy, path, caller)
    answer = api.call(path, caller.headers)
    assert answer.status == expected
    if answer.status == 200:
        assert path.strip("/") in answer.json()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_permit_is_for_one_request(authzen, callers, dialect):
    api = authzen[dialect]
    for _ in range(3):
        assert api.call("/planets", callers["silver"].headers).status == 200
        assert api.call("/planets", callers["bronze"].headers).status == 403
        assert api.call("/moons", callers["silver"].headers).status == 403
        assert api.call("/planets", callers["gold"].headers, "DELETE").status == 403


def test_the_template_says_who_is_asked(system, cerbos, stacks):
    function = stacks["alone"].authorizer_function
    configuration = system.aws.client("lambda").get_function_configuration(FunctionName=function)
    settings = configuration["Environment"]["Variables"]
    assert {name: settings.get(name) for name in settings if name.startswith("AUTHZEN")} == {
        "AUTHZEN_PDP_URL": cerbos.url,
        "AUTHZEN_SUBJECT_CLAIMS": "scope",
        "AUTHZEN_DISCOVERY": "false",
    }
    assert settings["PORTCULLIS_DECISION_POINT"] == "authzen"
    assert settings["SECRET_HEADER_NAME"] == "Authorization"
    assert "PORTCULLIS_SCOPES" not in settings


def test_nothing_passes_without_it(system, tmp_path, callers, invoke):
    """A decision point of its own, which dies after the first permit."""
    cerbos = Cerbos(tmp_path)
    try:
        apis = system.deploy("authzen-dies", **system.authzen_parameters(cerbos.url))
        gold = callers["gold"].headers
        assert apis.rest.call("/asteroids", gold).status == 200
    finally:
        cerbos.process.kill()
    for api in (apis.rest, apis.http):
        assert api.call("/asteroids", gold).status == 500
    # A token that is none is refused without asking.
    assert apis.rest.call("/asteroids", callers["forged token"].headers).status == 401
    with pytest.raises(FunctionError, match="could not be reached"):
        invoke(apis, event(dict(gold)["Authorization"]))


def event(authorization):
    return {
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:000000000000:abc/prod/GET/asteroids",
        "path": "/asteroids",
        "httpMethod": "GET",
        "multiValueHeaders": {"Authorization": [authorization]},
        "requestContext": {"path": "/prod/asteroids", "stage": "prod", "apiId": "abc"},
    }
