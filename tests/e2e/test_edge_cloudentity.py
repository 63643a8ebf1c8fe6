"""Does the edge function decide with the configuration of a Cloudentity control plane, for the API behind its distribution?

The control plane is the decision service, behind a proxy that can get in the way.
"""

import pytest

import fault_proxy
from conftest import eventually
from control_plane import ControlPlane, Gateway
from edge_package import EdgeFunctions
from fault_proxy import FaultProxy
from local_issuer import LocalIssuer

API = {"api_id": "edge000001", "api_name": "Edge", "stage": "prod"}
HOST = "api.example"
# PORTCULLIS_CONFIGURATION_MAX_AGE and ACP_RELOAD_INTERVAL, in seconds.
MAX_AGE, INTERVAL = 3600, 600


@pytest.fixture(scope="module")
def issuer():
    issuer = LocalIssuer("https://api.example")
    yield issuer
    issuer.stop()


@pytest.fixture(scope="module")
def plane(issuer, tmp_path_factory):
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"), issuer.url)
    yield plane
    plane.stop()


@pytest.fixture(scope="module")
def proxy(plane):
    proxy = FaultProxy(plane.endpoint.port)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module")
def gateway(plane):
    return Gateway(plane, "Edge", API, ["/planets", "/moons", "/comets"])


@pytest.fixture(scope="module")
def silver(plane):
    return plane.silver_policy()


@pytest.fixture(autouse=True)
def as_assigned(gateway, silver, proxy):
    """Planets need the scope silver, moons are blocked, comets have no policy."""
    gateway.assign({"/planets": silver, "/moons": "block-api", "/comets": ""})
    yield
    proxy.go_right()


@pytest.fixture(scope="module")
def edge(issuer, gateway, tmp_path_factory):
    functions = EdgeFunctions(tmp_path_factory)
    yield functions
    functions.secrets.update({gateway.client["client_secret"], *issuer.tokens})
    functions.stop()


@pytest.fixture
def start(edge, gateway, plane, proxy):
    """Starts a function with these settings beside its own, and gives what makes its time pass, too."""

    def call(**more):
        package = edge.package({
            "ACP_ISSUER_URL": gateway.issuer_url.replace(plane.endpoint.url, proxy.url),
            "ACP_CLIENT_ID": gateway.client["client_id"],
            "ACP_CLIENT_SECRET": gateway.client["client_secret"],
            "ACP_RELOAD_INTERVAL": f"{INTERVAL}s",
            "PORTCULLIS_API_ID": API["api_id"],
            "PORTCULLIS_API_STAGE": API["stage"],
        } | more)
        copy, pass_by = edge.with_clock(package)
        return edge.run(copy, f"--alias={HOST}"), pass_by

    return call


@pytest.fixture(scope="module")
def bearer(issuer):
    tokens = {scope: issuer.token(scope=scope, exp=4102444800) for scope in ("silver", "bronze")}
    return {scope: [("Authorization", f"Bearer {token}")] for scope, token in tokens.items()} | {None: []}


def decisions(function, bearer, paths=("/planets", "/moons", "/comets", "/nowhere")):
    """Status and reason of every caller on every path."""
    found = {}
    for path in paths:
        for scope, headers in bearer.items():
            reply = function.call(path, headers)
            found[path, scope] = (reply.status, reply.log.decided["reason"])
    return found


def everybody(**expected):
    return {(f"/{path}", scope): one for path, one in expected.items() for scope in ("silver", "bronze", None)}


IN, OUT = (200, "permitted"), (403, "denied_by_policy")
AS_ASSIGNED = everybody(planets=OUT, moons=OUT, comets=(200, "unrestricted"), nowhere=(403, "unknown_api")) | {
    ("/planets", "silver"): IN
}


def test_the_policies_of_the_control_plane_decide(start, bearer):
    """From the first event on."""
    function, _ = start()
    assert decisions(function, bearer) == AS_ASSIGNED


def test_a_path_that_has_an_api_with_escapes_and_one_with_two_readings(start, bearer):
    """As anywhere else, the second is refused before anybody decides."""
    function, _ = start()
    assert function.call("/%70lanets", bearer["silver"]).log.decided["reason"] == "ambiguous_path"
    assert function.call("/comets/../planets").log.decided["reason"] == "ambiguous_path"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"PORTCULLIS_API_ID": "other00001"}, "unbound"),
        ({"PORTCULLIS_API_STAGE": "dev"}, "unbound"),
        ({"ENFORCEMENT_ALLOW_UNKNOWN": True}, "unmatched"),
    ],
)
def test_what_the_package_says_of_the_api(start, bearer, more, reason):
    """No event at the edge tells which API the distribution stands before."""
    function, _ = start(**more)
    path = "/nowhere" if reason == "unmatched" else "/planets"
    assert function.call(path, bearer["silver"]).log.decided["reason"] == reason


def test_a_change_decides_after_the_interval_and_a_request(start, bearer, gateway, silver, proxy):
    function, pass_by = start()
    assert function.call("/planets", bearer["bronze"]).status == 403
    gateway.assign({"/planets": "", "/comets": silver})
    asked = len(proxy.calls)
    assert function.call("/planets", bearer["bronze"]).status == 403
    assert len(proxy.calls) == asked, "it was asked before the interval was over"
    pass_by(INTERVAL)
    eventually(lambda: function.call("/planets", bearer["bronze"]).status == 200)
    assert function.call("/comets", bearer["bronze"]).status == 403


@pytest.mark.parametrize("fault", [fault_proxy.closed, fault_proxy.status(500), fault_proxy.error_page, fault_proxy.truncated])
def test_the_last_configuration_goes_on_for_its_time(start, bearer, gateway, proxy, fault):
    """While the control plane is away or answers nonsense; and then nothing passes, until it is back."""
    function, pass_by = start()
    assert function.call("/planets", bearer["silver"]).status == 200
    proxy.go_wrong(fault)
    gateway.assign({"/planets": "block-api"})
    pass_by(INTERVAL)
    asked = len(proxy.calls)
    assert function.call("/planets", bearer["silver"]).status == 200
    eventually(lambda: len(proxy.calls) > asked)
    assert function.call("/planets", bearer["silver"]).status == 200
    pass_by(MAX_AGE)
    reply = function.call("/planets", bearer["silver"])
    assert (reply.outcome, reply.status, reply.log.metric) == ("generated", 503, "error")
    proxy.go_right()
    pass_by(MAX_AGE)
    eventually(lambda: function.call("/planets", bearer["silver"]).status == 403)


def test_without_a_configuration_nothing_passes(start, bearer, proxy):
    """A control plane that says nothing: each event gets its answer within the budget."""
    proxy.go_wrong(fault_proxy.silent)
    function, pass_by = start(PORTCULLIS_TIMEOUT="500ms")
    for path in ("/planets", "/comets"):
        reply = function.call(path, bearer["silver"])
        assert (reply.outcome, reply.status) == ("generated", 503)
    proxy.go_right()
    pass_by(MAX_AGE)
    eventually(lambda: function.call("/planets", bearer["silver"]).status == 200)


def test_a_client_secret_that_is_not_accepted(start, bearer):
    function, _ = start(ACP_CLIENT_SECRET="another-secret")
    reply = function.call("/planets", bearer["silver"])
    assert (reply.outcome, reply.status) == ("generated", 503)
    assert "401" in str(reply.log.lines) and "another-secret" not in str(reply.log.lines)
