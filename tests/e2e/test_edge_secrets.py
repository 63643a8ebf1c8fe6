"""Does the edge function read its credential from Secrets Manager and Parameter Store, and read it again when it was replaced?"""

import threading

import pytest

import misbehaving_service as behaviours
from edge_package import EdgeFunctions
from localaws.ministack import REGION, MiniStack
from localaws.processes import ComponentFailure, free_port
from misbehaving_service import SidebandService
from signed_aws import SignedAws

OLD, NEW = "old-gateway-credential", "new-gateway-credential"
ROLE = {
    "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret-key-of-the-role",
    "AWS_SESSION_TOKEN": "session-token-of-the-role/+=",
}
# A credential that is younger is not read again.
SHORTEST_AGE = 10


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    aws = MiniStack(tmp_path_factory.mktemp("aws"))
    yield aws
    aws.stop()


@pytest.fixture(scope="module")
def signed(aws):
    signed = SignedAws(aws.port, *ROLE.values())
    yield signed
    signed.stop()


class Service(SidebandService):
    """Permits whoever comes with the credential that is `accepted`."""

    def __init__(self):
        super().__init__()
        self.accepted = OLD
        self.behaviour = self._check

    def _check(self, handler, request):
        if handler.headers.get("CLIENT-TOKEN") == self.accepted:
            behaviours.permit(handler, request)
        else:
            behaviours.answer(handler, 401, b"")


@pytest.fixture(scope="module")
def service():
    service = Service()
    yield service
    service.stop()


@pytest.fixture(autouse=True)
def honest_again(service, signed):
    yield
    service.accepted = OLD
    service.calls.clear()
    signed.behaviour = None
    signed.targets.clear()


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    functions = EdgeFunctions(tmp_path_factory)
    functions.secrets.update({OLD, NEW, ROLE["AWS_SECRET_ACCESS_KEY"], ROLE["AWS_SESSION_TOKEN"]})
    yield functions
    functions.stop()


@pytest.fixture(scope="module")
def package(edge, service):
    """The package with that ARN in the place of the credential."""
    return lambda arn, **more: edge.package({"SERVICE_URL": service.url(), "SECRET_HEADER_VALUE_ARN": arn} | more)


@pytest.fixture(scope="module")
def run(edge, signed):
    """Runs a package with a role, which reaches AWS at that address."""

    def call(package, endpoint=None, **role):
        return edge.run(package, "--credentials-from-env", f"--aws-endpoint={endpoint or signed.url}", **(role or ROLE))

    return call


class SecretsManager:
    target = "secretsmanager.GetSecretValue"
    name = "AWS Secrets Manager"

    def __init__(self, aws):
        self._client = aws.client("secretsmanager")

    def create(self, name, value):
        return self._client.create_secret(Name=name, SecretString=value)["ARN"]

    def replace(self, name, value):
        self._client.put_secret_value(SecretId=name, SecretString=value)

    missing = f"arn:aws:secretsmanager:{REGION}:000000000000:secret:nobody-made-it-AbCdEf"


class ParameterStore:
    target = "AmazonSSM.GetParameter"
    name = "AWS Systems Manager"

    def __init__(self, aws):
        self._client = aws.client("ssm")

    def create(self, name, value):
        self._client.put_parameter(Name=f"/{name}", Value=value, Type="SecureString")
        return self._client.get_parameter(Name=f"/{name}")["Parameter"]["ARN"]

    def replace(self, name, value):
        self._client.put_parameter(Name=f"/{name}", Value=value, Type="SecureString", Overwrite=True)

    missing = f"arn:aws:ssm:{REGION}:000000000000:parameter/nobody-made-it"


@pytest.fixture(scope="module", params=[SecretsManager, ParameterStore])
def either(request, aws):
    return request.param(aws)


@pytest.fixture(scope="module")
def store(aws):
    """For what has nothing to do with where a secret is kept."""
    return SecretsManager(aws)


def refused(reply):
    assert (reply.outcome, reply.status, reply.log.metric) == ("generated", 503, "error")
    return reply.log.line("no decision could be had")["error"]


def test_the_credential_is_read_once_with_the_role_of_the_function(run, package, either, signed):
    """Before the first decision, in a request that AWS's own code finds rightly signed."""
    function = run(package(either.create("read", OLD)))
    assert [function.call().outcome for _ in range(3)] == ["forwarded"] * 3
    assert signed.targets == [either.target]


def test_a_credential_that_was_replaced_is_read_again(edge, run, package, either, service, signed):
    """When the service no longer accepts the one that is there, but not at once: it could be the service that is wrong."""
    copy, pass_by = edge.with_clock(package(either.create("rotated", OLD)))
    function = run(copy)
    assert function.call().outcome == "forwarded"
    either.replace("rotated", NEW)
    service.accepted = NEW
    pass_by(SHORTEST_AGE - 1)
    assert "the gateway credential is not accepted" in refused(function.call())
    assert len(signed.targets) == 1
    pass_by(1)
    reply = function.call()
    assert reply.outcome == "forwarded"
    assert reply.log.texts("WARN") == ["the gateway credential is no longer accepted; it is read again"]
    assert len(signed.targets) == 2
    assert function.call().outcome == "forwarded"
    assert len(signed.targets) == 2


def test_a_secret_that_nobody_made(run, package, either, service):
    """The log says whom it asked and what to look at, and the service is not asked."""
    function = run(package(either.missing))
    for _ in range(2):
        problem = refused(function.call())
        assert f"{either.name}: answered with status 400" in problem and "role" in problem
    assert service.calls == []


def test_credentials_of_another_role(run, package, store, service):
    """AWS refuses the signature."""
    arn = store.create("other-role", OLD)
    for name in ROLE:
        function = run(package(arn), **ROLE | {name: "another"})
        assert "answered with status 400; may the function's role read the secret?" in refused(function.call()), name
    assert service.calls == []


def test_a_function_without_a_role(edge, package, store, signed):
    function = edge.run(package(store.missing), f"--aws-endpoint={signed.url}")
    assert "AWS_ACCESS_KEY_ID is not set" in refused(function.call())
    assert signed.targets == []


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ('{"credential": "old-gateway-credential"}', "the secret is a JSON object: store the gateway credential itself"),
        ("two\nlines", "the secret is no gateway credential"),
    ],
    ids=["JSON", "two lines"],
)
def test_a_secret_that_is_no_credential(run, package, store, service, secret, problem):
    function = run(package(store.create(problem.split()[3].strip(":"), secret)))
    assert problem in refused(function.call())
    assert service.calls == []


def test_an_answer_that_is_none(run, package, store, signed, service):
    function = run(package(store.missing))
    for body in (b"", b"{}", b"[]", b'{"SecretString": 1}', b'{"Parameter": "old-gateway-credential"}', b"<html>"):
        signed.behaviour = lambda handler, body=body: handler.answer(200, [], body)
        assert f"{store.name}: answered with" in refused(function.call()), body
    assert service.calls == []


def test_aws_that_says_nothing_and_then_does(run, package, store, signed):
    """503 within the budget, and the next event asks again."""
    function = run(package(store.create("silence", OLD), PORTCULLIS_TIMEOUT="500ms"))
    over = threading.Event()
    signed.behaviour = lambda handler: over.wait(30)
    try:
        assert "500 ms" in refused(function.call())
    finally:
        over.set()
    signed.behaviour = None
    assert function.call().outcome == "forwarded"


def test_aws_that_nobody_reaches(run, package, store):
    function = run(package(store.missing), endpoint=f"http://127.0.0.1:{free_port()}")
    problem = refused(function.call())
    assert store.name in problem and "ECONNREFUSED" in problem


@pytest.mark.parametrize("arn", ["gateway-credential", "arn:aws:s3:::bucket/key", "secretsmanager:secret"])
def test_what_is_no_arn_of_a_secret_is_refused_when_the_package_is_made(package, arn):
    with pytest.raises(ComponentFailure, match="SECRET_HEADER_VALUE_ARN"):
        package(arn)
