"""The function in Cloudentity mode while everything goes wrong between it and its control plane: what it decided before
goes on, nothing else is let through, and it is well again by itself. And the schedule of the stack, fired by EventBridge.
"""

import json

import pytest

import fault_proxy
import templates
from conftest import eventually, lets_through
from control_plane import ControlPlane, Gateway
from fault_proxy import FaultProxy
from localaws import deployment
from test_cloudentity import SCHEDULED

API = {"api_id": "faults0001", "api_name": "Faults", "stage": "prod"}
CONFIGURATION, TOKEN = "/gateways/configuration", "/oauth2/token"
FAULTS = {
    "400": fault_proxy.status(400),
    "401": fault_proxy.status(401),
    "403": fault_proxy.status(403),
    "404": fault_proxy.status(404),
    "429": fault_proxy.status(429, ("Retry-After", "1")),
    "500": fault_proxy.status(500),
    "503": fault_proxy.status(503),
    "closed": fault_proxy.closed,
    "cut short": fault_proxy.cut_short,
    "truncated JSON": fault_proxy.truncated,
    "no HTTP": fault_proxy.no_http,
    "error page": fault_proxy.error_page,
    "silent": fault_proxy.silent,
}


class Scene:
    """A control plane behind a proxy, a gateway whose APIs are bound, and the function that polls it."""

    def __init__(self, system, directory, name):
        self._system = system
        self.plane = ControlPlane(directory, system.authorization_server.issuer)
        self.proxy = FaultProxy(self.plane.endpoint.port)
        self.gateway = Gateway(self.plane, name, API, ["/planets", "/moons"])
        self.policies = {"block": "block-api", "none": "", "silver": self.plane.silver_policy()}
        self.assign(planets="silver", moons="block")
        given = system.authorizer_parameters()
        client = self.gateway.client
        outputs = deployment.deploy(system.aws, name, templates.CLOUDENTITY, {
            "CodeBucket": given["CodeBucket"], "CodeKey": given["AuthorizerCodeKey"],
            "Architecture": given["Architecture"], "ReloadInterval": "1s",
            "ClientId": client["client_id"], "ClientSecret": client["client_secret"],
            "IssuerUrl": self.gateway.issuer_url.replace(self.plane.endpoint.url, self.proxy.url),
        })
        self.function, self._log = outputs["FunctionName"], outputs["LogGroupName"]

    def assign(self, **policies):
        """Names of policies, by the path of the API without its slash."""
        self.gateway.assign({f"/{path}": self.policies[policy] for path, policy in policies.items()})

    def poll(self):
        """Invokes the function as the schedule does."""
        self._invoke(SCHEDULED)

    def decisions(self, callers):
        """Who gets where: every caller on every path."""
        found = {}
        for path in ("/planets", "/moons", "/comets"):
            for name in ("silver", "bronze", None):
                headers = dict(callers[name].headers) if name else {}
                found[path, name] = lets_through(self._invoke(event(path, headers)))
        return found

    def _invoke(self, sent):
        answer = self._system.aws.client("lambda").invoke(FunctionName=self.function, Payload=json.dumps(sent).encode())
        result = json.load(answer["Payload"])
        assert "FunctionError" not in answer, f"{result}\n{self.log()}"
        return result

    def log(self):
        return "\n".join(self._system.aws.log_lines(self._log))

    def stop(self):
        self.proxy.stop()
        self.plane.stop()


def event(path, headers):
    return {
        "type": "REQUEST",
        "methodArn": f"arn:aws:execute-api:us-east-1:000000000000:{API['api_id']}/prod/GET{path}",
        "resource": path, "path": path, "httpMethod": "GET", "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": {
            "path": f"/prod{path}", "stage": "prod", "apiId": API["api_id"], "httpMethod": "GET",
            "domainName": f"{API['api_id']}.execute-api.us-east-1.amazonaws.com", "identity": {"sourceIp": "192.0.2.7"},
        },
    }


def let_in(*allowed):
    """Every caller on every path, of whom these get in."""
    return {
        (path, name): (path, name) in allowed
        for path in ("/planets", "/moons", "/comets")
        for name in ("silver", "bronze", None)
    }


BEFORE = let_in(("/planets", "silver"))
AFTER = let_in(("/moons", "silver"), ("/moons", "bronze"), ("/moons", None))


@pytest.fixture(scope="module")
def unattended(system, tmp_path_factory):
    """A function that nobody but its schedule invokes; made first, because a minute has to pass."""
    scene = Scene(system, tmp_path_factory.mktemp("unattended"), "unattended")
    yield scene
    scene.stop()


@pytest.fixture(scope="module")
def scene(system, unattended, tmp_path_factory):
    scene = Scene(system, tmp_path_factory.mktemp("faults"), "faults")
    yield scene
    scene.stop()


@pytest.mark.parametrize("name", FAULTS)
def test_what_was_decided_before_goes_on_and_what_is_new_comes_after(scene, callers, name):
    scene.poll()
    assert scene.decisions(callers) == BEFORE
    scene.proxy.go_wrong(FAULTS[name], CONFIGURATION)
    scene.assign(planets="block", moons="none")
    try:
        scene.poll()
        assert scene.decisions(callers) == BEFORE, scene.log()
    finally:
        scene.proxy.go_right()
    scene.poll()
    assert scene.decisions(callers) == AFTER, scene.log()
    scene.assign(planets="silver", moons="block")


def test_a_slow_control_plane_is_heard(scene, callers):
    scene.poll()
    scene.proxy.go_wrong(fault_proxy.slow(1.5), CONFIGURATION)
    scene.assign(planets="block", moons="none")
    try:
        eventually(lambda: scene.decisions(callers) == AFTER)
    finally:
        scene.proxy.go_right()
    scene.assign(planets="silver", moons="block")
    scene.poll()
    assert scene.decisions(callers) == BEFORE


@pytest.mark.parametrize("name", ["401", "500", "silent", "truncated JSON"])
def test_an_instance_that_gets_no_token_decides_nothing_until_it_does(system, scene, callers, name):
    scene.proxy.go_wrong(FAULTS[name], TOKEN)
    # A new instance, without the configuration that the last one kept.
    functions = system.aws.client("lambda")
    settings = functions.get_function_configuration(FunctionName=scene.function)["Environment"]["Variables"]
    settings["PORTCULLIS_CONFIGURATION_COPY"] = f"/tmp/{name.replace(' ', '-')}.json"
    functions.update_function_configuration(FunctionName=scene.function, Environment={"Variables": settings})
    try:
        sent = json.dumps(event("/planets", dict(callers["silver"].headers))).encode()
        answer = functions.invoke(FunctionName=scene.function, Payload=sent)
        assert "FunctionError" in answer and not lets_through(json.load(answer["Payload"]))
    finally:
        scene.proxy.go_right()
    scene.poll()
    assert scene.decisions(callers) == BEFORE


def test_nothing_that_was_said_holds_a_secret(scene, callers):
    log = scene.log()
    assert scene.gateway.client["client_secret"] not in log
    assert dict(callers["silver"].headers)["Authorization"].split()[1] not in log
    assert "the last one goes on" in log


def test_eventbridge_fires_the_schedule_and_the_function_polls(unattended):
    """rate(1 minute), by the scheduler of the local AWS: nobody else has invoked this function."""
    eventually(lambda: any(CONFIGURATION in path for _, path in unattended.proxy.calls), seconds=90)
