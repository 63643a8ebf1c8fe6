"""`portcullis aws` on APIs that nobody authorizes yet: discover, plan, bind, doctor, unbind.

MiniStack is not AWS: it serves the draft of a REST API at once, and does not tell how a deployed method is authorized.
What depends on either is tested on an AWS in memory (crates/discovery/tests).
"""

import io
import json
import os
import pty
import signal
import subprocess
import zipfile

import pytest

from aws_proxy import AwsProxy
from localaws import deployment, paths
from localaws.ministack import REGION
from localaws.processes import plain_environment
from websocket_client import connect

BACKEND = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'the backend'}\n"
ROLE = "arn:aws:iam::000000000000:role/backend"


@pytest.fixture(scope="module")
def authorizer(system):
    """The authorizer function, with no API yet. Answers with its name."""
    given = system.authorizer_parameters()
    outputs = deployment.deploy(
        system.aws,
        "binding-authorizer",
        paths.AUTHORIZER_TEMPLATE,
        {
            "CodeBucket": given["CodeBucket"],
            "CodeKey": given["AuthorizerCodeKey"],
            "Architecture": given["Architecture"],
            "ServiceUrl": given["ServiceUrl"],
            "SecretHeaderValue": given["SecretHeaderValue"],
            "BaseUrl": "https://solar-system.example",
            "StripStage": "true",
        },
    )
    return outputs["FunctionName"]


@pytest.fixture(scope="module")
def backend(system):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("backend.py", BACKEND)
    function = system.aws.client("lambda").create_function(
        FunctionName="binding-backend",
        Runtime="python3.13",
        Handler="backend.handler",
        Role=ROLE,
        Code={"ZipFile": archive.getvalue()},
    )
    return function["FunctionArn"]


class Apis:
    """Makes APIs, and looks at them."""

    def __init__(self, aws, backend):
        self.aws = aws
        self.rest = aws.client("apigateway")
        self.v2 = aws.client("apigatewayv2")
        self.uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{backend}/invocations"

    def make_rest(self, name):
        """GET /planets, /moons and /asteroids, OPTIONS /planets, and POST /planets for IAM, at stage prod."""
        api = self.rest.create_rest_api(name=name, tags={"team": name})["id"]
        root = self.rest.get_resources(restApiId=api)["items"][0]["id"]
        for part in ("planets", "moons", "asteroids"):
            resource = self.rest.create_resource(restApiId=api, parentId=root, pathPart=part)["id"]
            self._method(api, resource, "GET", "NONE")
            if part == "planets":
                self._method(api, resource, "OPTIONS", "NONE")
                self._method(api, resource, "POST", "AWS_IAM")
        self.rest.create_deployment(restApiId=api, stageName="prod")
        return api

    def _method(self, api, resource, verb, kind):
        method = {"restApiId": api, "resourceId": resource, "httpMethod": verb}
        self.rest.put_method(**method, authorizationType=kind)
        self.rest.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=self.uri)

    def make_http(self, name, auto_deploy=True):
        api = self.v2.create_api(Name=name, ProtocolType="HTTP")["ApiId"]
        target = f"integrations/{self._integration(api)}"
        for key in ("GET /planets", "GET /moons"):
            self.v2.create_route(ApiId=api, RouteKey=key, Target=target)
        self.v2.create_stage(ApiId=api, StageName="$default", AutoDeploy=auto_deploy)
        return api

    def make_websocket(self, name):
        api = self.v2.create_api(Name=name, ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
        api = api["ApiId"]
        target = f"integrations/{self._integration(api)}"
        for key in ("$connect", "$default"):
            self.v2.create_route(ApiId=api, RouteKey=key, Target=target)
        deployed = self.v2.create_deployment(ApiId=api)["DeploymentId"]
        self.v2.create_stage(ApiId=api, StageName="demo", DeploymentId=deployed)
        return api

    def _integration(self, api):
        made = self.v2.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=self.uri, PayloadFormatVersion="2.0"
        )
        return made["IntegrationId"]

    def methods(self, api):
        """Who authorizes each method of a REST API."""
        found = {}
        for resource in self.rest.get_resources(restApiId=api, embed=["methods"])["items"]:
            for verb, method in resource.get("resourceMethods", {}).items():
                kind, by = method["authorizationType"], method.get("authorizerId") or None
                found[f"{verb} {resource['path']}"] = (kind, by if kind == "CUSTOM" else None)
        return found

    def everything(self, api):
        """All of a REST API that a binding may touch."""
        return {
            "methods": self.methods(api),
            "authorizers": self.rest.get_authorizers(restApiId=api)["items"],
            # MiniStack shows new tags there alone.
            "tags": self.rest.get_tags(resourceArn=f"arn:aws:apigateway:{REGION}::/restapis/{api}")["tags"],
            "deployments": len(self.rest.get_deployments(restApiId=api)["items"]),
        }

    def sources(self, function):
        """The source ARNs that may invoke a function."""
        functions = self.aws.client("lambda")
        try:
            policy = json.loads(functions.get_policy(FunctionName=function)["Policy"])
        except functions.exceptions.ResourceNotFoundException:
            return []
        return sorted(one["Condition"]["ArnLike"]["AWS:SourceArn"] for one in policy["Statement"])


@pytest.fixture(scope="module")
def make(system, backend):
    return Apis(system.aws, backend)


class Cli:
    def __init__(self, port, directory):
        self.directory = directory
        self.environment = plain_environment(
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
            AWS_REGION=REGION,
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
        )

    def start(self, *arguments, stdin=subprocess.DEVNULL):
        return subprocess.Popen(
            [str(paths.PORTCULLIS), "aws", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments, status=0):
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == status, f"{process.returncode}\n{output}\n{errors}"
        return output if status < 2 else errors

    def json(self, *arguments, status=0):
        return json.loads(self.run(*arguments, "--json", status=status))

    def state(self):
        return json.loads((self.directory / "portcullis-aws.json").read_text())


@pytest.fixture
def proxy(system):
    proxy = AwsProxy(system.aws.port)
    yield proxy
    proxy.stop()


@pytest.fixture
def cli(proxy, tmp_path):
    return Cli(proxy.port, tmp_path)


def of(report):
    """The one API of a plan or an account."""
    (api,) = report["apis"]
    return api


def test_discover_tells_who_authorizes_each_route(system, apis, make, cli):
    """Of APIs that CloudFormation made, and of one that nobody authorizes."""
    rest, http = (api.host.split(".")[0] for api in (apis.rest, apis.http))
    for api_id, protocol in ((rest, "rest"), (http, "http")):
        api = of(cli.json("discover", "--api", api_id))
        assert api["protocol"] == protocol
        (authorizer,) = api["authorizers"]
        assert authorizer["function"].endswith(f":function:{apis.authorizer_function}")
        assert {route["authorization"]["kind"] for route in api["routes"]} == {"CUSTOM"}
        assert {route["authorization"]["authorizer"] for route in api["routes"]} == {authorizer["id"]}
    assert of(cli.json("discover", "--api", http))["stages"][0]["deployed"] == "draft"

    open_api = make.make_rest("discovered")
    text = cli.run("discover", "--api", open_api)
    lines = [line.split() for line in text.splitlines()]
    assert ["GET", "/planets", "NONE"] in lines and ["POST", "/planets", "AWS_IAM"] in lines
    assert "stage prod: serves the draft" in text

    websocket = make.make_websocket("discovered-websocket")
    api = of(cli.json("discover", "--api", websocket))
    assert (api["protocol"], api["stages"][0]["deployed"]) == ("websocket", "unknown")


def test_lists_are_read_page_by_page(make, proxy, cli):
    wanted = make.make_rest("last-of-many")
    proxy.page = 1
    api = of(cli.json("discover", "--api", wanted))
    assert len(api["routes"]) == 5
    lists = [path for method, path in proxy.calls if path.startswith("/restapis?")]
    assert len(lists) > 1 and "position=" in lists[1]


def test_a_plan_says_what_it_takes_and_changes_nothing(authorizer, make, cli):
    api = make.make_rest("planned")
    before = make.everything(api)
    plan = of(cli.json("plan", "--function", authorizer, "--tag", "team=planned"))
    assert plan["id"] == api
    assert [step.split(":")[0] for step in plan["steps"]] == [
        "create authorizer portcullis",
        f"let authorizer portcullis of this API, and nothing else, invoke {authorizer}",
        "authorize GET /asteroids by portcullis",
        "authorize GET /moons by portcullis",
        "authorize GET /planets by portcullis",
        "tag the API portcullis",
    ]
    assert [route for route, _ in plan["skipped"]] == ["OPTIONS /planets", "POST /planets"]
    everything = of(
        cli.json("plan", "--function", authorizer, "--api", api, "--include-options", "--replace-authorizers")
    )
    assert everything["skipped"] == []
    assert make.everything(api) == before
    assert not (cli.directory / "portcullis-aws.json").exists()


def test_bound_apis_are_guarded_and_unbound_ones_are_as_before(system, authorizer, make, cli, callers):
    api = make.make_rest("guarded")
    before, sources = make.everything(api), make.sources(authorizer)
    endpoint = system.aws.api(api, "prod")
    assert endpoint.call("/planets").status == 200

    cli.run("bind", "--function", authorizer, "--api", api, "--deploy", "--yes")
    made = make.everything(api)
    (made_authorizer,) = made["authorizers"]
    assert made["tags"]["portcullis:bound"] == "portcullis"
    assert made["deployments"] == before["deployments"] + 1
    assert made["methods"]["POST /planets"] == ("AWS_IAM", None)
    assert made["methods"]["OPTIONS /planets"] == ("NONE", None)
    new = f"arn:aws:execute-api:{REGION}:000000000000:{api}/authorizers/{made_authorizer['id']}"
    assert make.sources(authorizer) == sorted([*sources, new])

    assert endpoint.call("/planets").status == 401
    for caller in ("bronze", "silver", "gold"):
        for path in ("/planets", "/moons", "/asteroids"):
            expected = system.policy.expected_status("GET", path, callers[caller].scopes)
            assert (caller, path, endpoint.call(path, callers[caller].headers).status) == (caller, path, expected)
    assert endpoint.call("/planets", method="OPTIONS").status == 200

    again = cli.json("bind", "--function", authorizer, "--api", api, "--deploy", "--yes")
    assert again["outcome"] == "nothing_to_do"
    assert make.everything(api) == made

    cli.run("unbind", "--api", api, "--deploy", "--yes")
    after = make.everything(api)
    assert after.pop("deployments") == before.pop("deployments") + 2
    assert after == before
    assert make.sources(authorizer) == sources
    assert endpoint.call("/planets").status == 200
    assert cli.state()["apis"] == {}


def test_what_another_authorizer_had_goes_back_to_it(make, authorizer, backend, cli):
    api = make.make_rest("replaced")
    other = make.rest.create_authorizer(
        restApiId=api, name="other", type="TOKEN", authorizerUri=make.uri, identitySource="method.request.header.X"
    )["id"]
    planets = next(
        one["id"] for one in make.rest.get_resources(restApiId=api)["items"] if one["path"] == "/planets"
    )
    change = {"op": "replace", "path": "/authorizerId", "value": other}
    custom = {"op": "replace", "path": "/authorizationType", "value": "CUSTOM"}
    make.rest.update_method(restApiId=api, resourceId=planets, httpMethod="GET", patchOperations=[custom, change])
    before = make.methods(api)
    cli.run("bind", "--function", authorizer, "--api", api, "--replace-authorizers", "--yes")
    bound = make.methods(api)
    assert bound["GET /planets"] != before["GET /planets"] and bound["POST /planets"][0] == "CUSTOM"
    # Without a deployment the stage may still serve it, so the authorizer stays.
    report = cli.json("unbind", "--api", api, "--yes")
    assert make.methods(api) == before
    assert "may serve the routes" in " ".join(of(report)["notes"])
    assert len(make.rest.get_authorizers(restApiId=api)["items"]) == 2
    cli.run("unbind", "--api", api, "--deploy", "--yes")
    assert [one["name"] for one in make.rest.get_authorizers(restApiId=api)["items"]] == ["other"]


def test_http_and_websocket_apis(system, authorizer, make, cli, callers):
    http, websocket = make.make_http("web"), make.make_websocket("chat")
    endpoint, chat = system.aws.api(http), system.aws.api(websocket, "demo")
    assert (endpoint.call("/planets").status, connect(chat)) == (200, 101)
    which = ["--api", http, "--api", websocket]
    plan = cli.run("plan", "--function", authorizer, *which, "--deploy")
    assert "stage $default deploys by itself" in plan
    assert "left alone: $default: a WebSocket API is authorized at $connect only" in plan
    cli.run("bind", "--function", authorizer, *which, "--deploy", "--yes")
    assert endpoint.call("/planets").status == 401
    assert endpoint.call("/planets", callers["silver"].headers).status == 200
    assert endpoint.call("/moons", callers["silver"].headers).status == 403
    assert connect(chat) == 401
    assert connect(chat, callers["gold"].headers) == 403, "the policy has no operation for it"
    again = cli.json("bind", "--function", authorizer, *which, "--deploy", "--yes")
    assert again["outcome"] == "nothing_to_do"
    cli.run("unbind", "--all", "--deploy", "--yes")
    assert (endpoint.call("/planets").status, connect(chat)) == (200, 101)
    assert make.v2.get_authorizers(ApiId=http)["Items"] == []
    assert "portcullis:bound" not in make.v2.get_api(ApiId=http).get("Tags", {})


@pytest.mark.parametrize("last", [1, 2, 4, 6])
def test_a_binding_that_was_killed_is_finished_and_not_doubled(authorizer, make, cli, proxy, last):
    """Killed when AWS has carried out a change and before the client hears of it: the authorizer (1), the permission
    (2), a method (4) and the tag (6)."""
    api = make.make_rest(f"killed-{last}")
    before, sources = make.everything(api), make.sources(authorizer)
    arguments = ["bind", "--function", authorizer, "--api", api, "--deploy", "--yes"]
    started = []
    proxy.after_write = lambda number: started[0].kill() if number == last else None
    started.append(cli.start(*arguments))
    (process,) = started
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL

    cli.run(*arguments)
    (made,) = make.rest.get_authorizers(restApiId=api)["items"]
    new = f"arn:aws:execute-api:{REGION}:000000000000:{api}/authorizers/{made['id']}"
    assert make.sources(authorizer) == sorted([*sources, new])
    bound = {key for key, (kind, by) in make.methods(api).items() if by == made["id"]}
    assert bound == {"GET /planets", "GET /moons", "GET /asteroids"}
    assert make.everything(api)["deployments"] == before["deployments"] + 1
    assert cli.json(*arguments)["outcome"] == "nothing_to_do"

    cli.run("unbind", "--api", api, "--deploy", "--yes")
    after = make.everything(api)
    assert (after["methods"], after["authorizers"], after["tags"]) == (
        before["methods"],
        before["authorizers"],
        before["tags"],
    )
    assert make.sources(authorizer) == sources


def test_throttled_calls_are_made_again(make, proxy, cli):
    api = make.make_rest("throttled")
    proxy.throttled = 3
    assert of(cli.json("discover", "--api", api))["id"] == api
    assert proxy.throttled == 0


def test_nothing_is_changed_unless_it_is_meant(authorizer, make, cli):
    api = make.make_rest("meant")
    before = make.everything(api)
    assert "give --yes" in cli.run("bind", "--function", authorizer, "--api", api, status=2)
    assert "say which APIs" in cli.run("bind", "--function", authorizer, "--yes", status=2)
    assert "no function" in cli.run("bind", "--function", "nobody", "--api", api, "--yes", status=2)
    assert "needs the Authorization header" in cli.run(
        "bind", "--function", authorizer, "--api", api, "--yes", "--cache-ttl", "300", "--no-identity-source", status=2
    )
    assert "there is no state file" in cli.run("unbind", "--api", api, "--yes", status=2)
    assert make.everything(api) == before


def test_somebody_at_a_terminal_is_asked(authorizer, make, cli):
    api = make.make_rest("asked")

    def answer(text, meanwhile=lambda: None):
        terminal, other_end = pty.openpty()
        process = cli.start("bind", "--function", authorizer, "--api", api, stdin=other_end)
        os.close(other_end)
        question = process.stderr.read(len("Carry out these 6 changes? [y/N] "))
        assert question == "Carry out these 6 changes? [y/N] "
        meanwhile()
        os.write(terminal, f"{text}\n".encode())
        _, errors = process.communicate(timeout=60)
        os.close(terminal)
        return process.returncode, errors.strip()

    def somebody_else():
        planets = next(one for one in make.rest.get_resources(restApiId=api)["items"] if one["path"] == "/planets")
        change = {"op": "replace", "path": "/authorizationType", "value": "AWS_IAM"}
        make.rest.update_method(
            restApiId=api, resourceId=planets["id"], httpMethod="GET", patchOperations=[change]
        )

    assert answer("n") == (1, "Nothing was changed.")
    assert make.rest.get_authorizers(restApiId=api)["items"] == []
    assert answer("yes") == (0, "")
    assert make.methods(api)["GET /planets"][0] == "CUSTOM"
    cli.run("unbind", "--api", api, "--deploy", "--yes")
    status, errors = answer("y", somebody_else)
    assert (status, "not what they were" in errors) == (1, True)
    assert make.rest.get_authorizers(restApiId=api)["items"] == []


def test_an_authorizer_that_is_set_up_otherwise_is_not_touched(authorizer, make, cli):
    api = make.make_rest("otherwise")
    make.rest.create_authorizer(
        restApiId=api, name="portcullis", type="TOKEN", authorizerUri=make.uri, identitySource="method.request.header.X"
    )
    before = make.everything(api)
    assert "CANNOT BE BOUND" in cli.run("bind", "--function", authorizer, "--api", api, "--yes", status=1)
    assert make.everything(api) == before


def test_the_doctor_finds_what_is_wrong(authorizer, make, cli, tmp_path):
    api = make.make_rest("patient")

    def findings(*arguments, status):
        report = cli.json("doctor", "--api", api, *arguments, status=status)
        return {(one["severity"], one["code"]) for one in report["findings"] if one["api"] == api}

    assert findings(status=1) == {("error", "unprotected_route")}
    cli.run("bind", "--function", authorizer, "--api", api, "--deploy", "--yes")
    assert findings(status=0) == set()

    policy = tmp_path / "policy" / "services"
    policy.mkdir(parents=True)
    (policy / "patient.yaml").write_text(
        f"name: Patient\naws: [{{ api_id: {api}, stage: prod }}]\n"
        "tokens: [{ issuer: 'https://idp.example.com', audiences: [api] }]\n"
        "operations:\n  - name: Planets\n    paths: [/planets]\n    public: true\n"
    )
    with_policy = ("--policy", str(policy.parent))
    assert findings(*with_policy, status=1) == {("error", "identity_source_blocks_public")}

    (made,) = make.rest.get_authorizers(restApiId=api)["items"]
    change = {"op": "replace", "path": "/authorizerResultTtlInSeconds", "value": "300"}
    make.rest.update_authorizer(restApiId=api, authorizerId=made["id"], patchOperations=[change])
    # The function asks a sideband service, whose answers are for one request.
    assert findings(status=1) == {("error", "cache_contradicts_decision_point")}

    functions = make.aws.client("lambda")
    functions.remove_permission(FunctionName=authorizer, StatementId=f"portcullis-{api}-{made['id']}")
    assert ("error", "invoke_permission_missing") in findings(status=1)
