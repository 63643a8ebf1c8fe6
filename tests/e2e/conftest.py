"""What every end-to-end test shares: one running solar system, and the APIs in front of it."""

import io
import json
import sys
import time
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
sys.dont_write_bytecode = True

from localaws.solar_system import SolarSystem  # noqa: E402
from misbehaving_service import SidebandService  # noqa: E402


@pytest.fixture(scope="session")
def system(tmp_path_factory):
    system = SolarSystem(tmp_path_factory.mktemp("solar-system"))
    yield system
    system.stop()


@pytest.fixture(scope="session")
def apis(system):
    """A REST API with a REQUEST authorizer and an HTTP API with simple answers."""
    return system.deploy("request-simple")


@pytest.fixture(scope="session")
def dialects(system, apis):
    """Every way in which API Gateway asks an HTTP-speaking authorizer, by name."""
    token_iam = system.deploy("token-iam", RestAuthorizerType="TOKEN", HttpResponse="iam")
    payload_1 = system.deploy("payload-1", HttpPayloadFormat="1.0")
    return {
        "REST REQUEST": apis.rest,
        "REST TOKEN": token_iam.rest,
        "HTTP 2.0 simple": apis.http,
        "HTTP 2.0 IAM": token_iam.http,
        "HTTP 1.0": payload_1.http,
    }


@pytest.fixture(scope="session")
def callers(system):
    return {caller.name: caller for caller in system.callers()}


@pytest.fixture(scope="module")
def service():
    """A sideband service that does as it is told, for the tests of one file."""
    service = SidebandService()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def origin():
    """What a runner of the edge stands before, for the tests of one file."""
    # Not at the top: it imports this file.
    from edge_runner import Origin

    origin = Origin()
    yield origin
    origin.stop()


@pytest.fixture(scope="module")
def serve(origin, tmp_path_factory):
    """Starts runners of the edge, which live as long as the tests of one file."""
    from edge_runner import Runners

    runners = Runners(origin, tmp_path_factory)
    yield runners.start
    runners.stop()


@pytest.fixture
def layer(system):
    """Stands in for the AWS Parameters and Secrets extension."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("extension.txt", "not the real one")
    layer = system.aws.client("lambda").publish_layer_version(
        LayerName="secrets-extension", Content={"ZipFile": archive.getvalue()}
    )
    return layer["LayerVersionArn"]


@pytest.fixture
def policy(system, apis, callers):
    """The policy, to be edited by one test and restored after it."""
    original = system.policy.read()
    yield system.policy
    system.policy.write(original)
    eventually(lambda: answers_as_the_policy_says(system, apis, callers))


def answers_as_the_policy_says(system, apis, callers):
    silver = callers["silver"]
    return all(
        apis.rest.call(path, silver.headers).status == system.policy.expected_status("GET", path, silver.scopes)
        for path in ("/planets", "/moons", "/asteroids")
    )


def eventually(condition, seconds=10):
    """Waits for something that another process does in its own time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"did not come true within {seconds} s")


@pytest.fixture(scope="session")
def invoke(system):
    """Calls the authorizer function itself, for events that the local API Gateway cannot send.

    Answers with what the function returned, or raises FunctionError with what it reported.
    """

    def call(apis, event):
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        answer = system.aws.client("lambda").invoke(FunctionName=apis.authorizer_function, Payload=payload)
        result = json.load(answer["Payload"])
        if "FunctionError" in answer:
            raise FunctionError(result)
        return result

    return call


class FunctionError(Exception):
    """The function answered with an error, which API Gateway turns into 401 or 500."""


def lets_through(result):
    """Whether API Gateway would let a request through on this answer of an authorizer."""
    if result.get("isAuthorized"):
        return True
    statements = result.get("policyDocument", {}).get("Statement", [])
    return any(statement["Effect"] == "Allow" for statement in statements)


def change_setting(system, apis, name, value):
    """Changes one environment variable of the function, which also gives it a fresh instance.

    Answers with the value that it had.
    """
    functions = system.aws.client("lambda")
    settings = functions.get_function_configuration(FunctionName=apis.authorizer_function)["Environment"]["Variables"]
    before = settings.pop(name, None)
    if value is not None:
        settings[name] = value
    functions.update_function_configuration(
        FunctionName=apis.authorizer_function, Environment={"Variables": settings}
    )
    return before
