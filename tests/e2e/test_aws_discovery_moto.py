"""`portcullis aws discover` and `doctor` against moto: an AWS by others than the one that the other tests use, and one
that does not implement everything. MiniStack has the bindings (`test_aws_binding.py`)."""

import io
import json
import sys
import zipfile
from pathlib import Path

import boto3
import pytest

from aws_proxy import AwsProxy
from localaws.calls import Endpoint
from localaws.ministack import REGION
from localaws.processes import Process, free_port, plain_environment
from test_aws_binding import Cli, of

ACCOUNT = "123456789012"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:authorizer"


class Moto:
    """A server of moto on a port of its own."""

    def __init__(self, directory):
        self.endpoint = Endpoint(free_port())
        program = Path(sys.executable).parent / "moto_server"
        command = [program, "-H", "127.0.0.1", "-p", self.endpoint.port]
        self.process = Process("moto", command, directory, plain_environment())
        self.process.wait_until(self._is_up, seconds=30)

    def _is_up(self):
        try:
            return self.endpoint.call("/moto-api/data.json", timeout=2).status == 200
        except OSError:
            return False

    def client(self, service):
        return boto3.client(
            service, region_name=REGION, endpoint_url=self.endpoint.url,
            aws_access_key_id="test", aws_secret_access_key="test",
        )

    def forget(self):
        """An account with nothing in it."""
        assert self.endpoint.call("/moto-api/reset", method="POST", body=b"").status == 200


class RestApi:
    """A REST API in the making."""

    def __init__(self, moto, name, **tags):
        self._apis = moto.client("apigateway")
        self.id = self._apis.create_rest_api(name=name, tags=tags)["id"]
        self._root = self._apis.get_resources(restApiId=self.id)["items"][0]["id"]
        self._resources = {}

    def authorizer(self, name, kind, ttl, source="method.request.header.Authorization", function=FUNCTION):
        uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"
        made = self._apis.create_authorizer(
            restApiId=self.id, name=name, type=kind, authorizerUri=uri, identitySource=source, authorizerResultTtlInSeconds=ttl
        )
        return made["id"]

    def method(self, verb, part, authorizer=None, kind="NONE"):
        if part not in self._resources:
            made = self._apis.create_resource(restApiId=self.id, parentId=self._root, pathPart=part)
            self._resources[part] = made["id"]
        method = {"restApiId": self.id, "resourceId": self._resources[part], "httpMethod": verb}
        by = {"authorizationType": "CUSTOM", "authorizerId": authorizer} if authorizer else {"authorizationType": kind}
        self._apis.put_method(**method, **by)
        self._apis.put_integration(**method, type="MOCK")

    def deploy(self, *stages):
        for stage in stages:
            self._apis.create_deployment(restApiId=self.id, stageName=stage)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Moto(tmp_path_factory.mktemp("moto"))
    yield server
    server.process.stop()


@pytest.fixture
def moto(server):
    server.forget()
    return server


@pytest.fixture
def proxy(moto):
    proxy = AwsProxy(moto.endpoint.port)
    yield proxy
    proxy.stop()


@pytest.fixture
def cli(proxy, tmp_path):
    return Cli(proxy.port, tmp_path)


@pytest.fixture
def orders(moto):
    """GET /orders with an authorizer, GET /open without one, POST /orders for IAM, OPTIONS /orders; two stages."""
    api = RestApi(moto, "Orders", team="shop")
    portcullis = api.authorizer("portcullis", "REQUEST", 0)
    api.method("GET", "orders", portcullis)
    api.method("POST", "orders", kind="AWS_IAM")
    api.method("OPTIONS", "orders")
    api.method("GET", "open")
    api.deploy("prod", "test")
    return api


def routes(api):
    """Who authorizes each route, by the name of the authorizer."""
    names = {one["id"]: one["name"] for one in api["authorizers"]}
    found = {}
    for route in api["routes"]:
        authorization = route["authorization"]
        by = names.get(authorization.get("authorizer"))
        found[f"{route['method']} {route['path']}"] = (authorization["kind"], by)
    return found


def test_an_empty_account_is_no_error(moto, cli):
    account = cli.json("discover")
    assert (account["id"], account["region"], account["apis"]) == (ACCOUNT, REGION, [])


def test_routes_authorizers_stages_and_tags_are_read(orders, cli):
    api = of(cli.json("discover"))
    assert (api["id"], api["name"], api["protocol"], api["tags"]) == (orders.id, "Orders", "rest", {"team": "shop"})
    assert routes(api) == {
        "GET /orders": ("CUSTOM", "portcullis"),
        "POST /orders": ("AWS_IAM", None),
        "OPTIONS /orders": ("NONE", None),
        "GET /open": ("NONE", None),
    }
    (authorizer,) = api["authorizers"]
    assert (authorizer["kind"], authorizer["function"], authorizer["ttl"]) == ("request", FUNCTION, 0)
    assert authorizer["identity_sources"] == ["method.request.header.Authorization"]
    # moto has no summary of a deployment, so what is live is not known, which is not the same as nothing.
    assert [(stage["name"], stage["deployed"]) for stage in api["stages"]] == [("prod", "unknown"), ("test", "unknown")]
    text = cli.run("discover")
    assert "AWS does not tell what is deployed" in text and "GET /open" in text


def test_apis_are_picked_by_id_name_tag_and_stage(moto, orders, cli):
    token = RestApi(moto, "Token orders", team="shop", tier="old")
    token.method("GET", "orders", token.authorizer("jwt", "TOKEN", 300))
    token.deploy("v1")
    RestApi(moto, "Else").method("GET", "x")

    def found(*selection):
        return sorted(api["name"] for api in cli.json("discover", *selection)["apis"])

    assert found() == ["Else", "Orders", "Token orders"]
    assert found("--api", token.id) == ["Token orders"]
    assert found("--name", "*rders") == ["Orders", "Token orders"]
    assert found("--tag", "team=shop") == ["Orders", "Token orders"]
    assert found("--tag", "team=shop", "--tag", "tier") == ["Token orders"]
    assert found("--stage", "test") == ["Orders"]
    (jwt,) = of(cli.json("discover", "--api", token.id))["authorizers"]
    assert (jwt["kind"], jwt["ttl"]) == ("token", 300)


def test_throttled_calls_are_paced_and_made_again(orders, proxy, cli):
    before = cli.json("discover")
    proxy.throttled = 3
    assert cli.json("discover") == before
    assert proxy.throttled == 0


def test_a_call_that_fails_ends_in_an_error_that_names_it_and_no_part_of_an_answer(moto, orders, cli):
    """moto has no GetAuthorizers of HTTP APIs. A list without that API would hide what nobody authorizes."""
    web = moto.client("apigatewayv2").create_api(Name="Web", ProtocolType="HTTP")["ApiId"]
    # At the same time, because each tries for half a minute.
    for process in [cli.start(command) for command in ("discover", "doctor")]:
        output, errors = process.communicate(timeout=120)
        assert (process.returncode, output) == (2, ""), output
        assert f'{web} "Web": GetAuthorizers: status 500' in errors
        assert errors.count("GetAuthorizers") == 1
    # The others can be had by saying which are meant.
    assert of(cli.json("discover", "--protocol", "rest"))["id"] == orders.id
    assert of(cli.json("discover", "--api", orders.id))["id"] == orders.id


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"ACP_ISSUER_URL": "https://acp.example.com/t1/system"}, "cache_contradicts_decision_point"),
        ({"SERVICE_URL": "https://pdp.example.com"}, "cache_contradicts_decision_point"),
        ({"PORTCULLIS_ISSUER": "https://idp.example.com", "PORTCULLIS_CACHE_TTL": "300s"}, None),
    ],
)
def test_the_doctor_reads_who_decides_from_the_function(moto, cli, variables, code):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("bootstrap", "")
    role = moto.client("iam").create_role(RoleName="authorizer", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    functions = moto.client("lambda")
    functions.create_function(
        FunctionName="authorizer", Runtime="provided.al2023", Handler="bootstrap", Role=role,
        Code={"ZipFile": archive.getvalue()}, Environment={"Variables": variables | {"SECRET": "not to be shown"}},
    )
    api = RestApi(moto, "Cached")
    authorizer = api.authorizer("portcullis", "REQUEST", 300)
    api.method("GET", "orders", authorizer)
    api.deploy("prod")
    functions.add_permission(
        FunctionName="authorizer", StatementId="one", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.id}/authorizers/{authorizer}",
    )
    report = json.loads(cli.run("doctor", "--json", status=1 if code else 0))
    assert "not to be shown" not in json.dumps(report)
    findings = report["findings"] if isinstance(report, dict) else report
    assert [one["code"] for one in findings] == ([code] if code else []), findings
