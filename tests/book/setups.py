"""What each page needs before its commands run. A page that is not named needs nothing but its own files."""

import json
import secrets
import time

import trustme

import control_plane
import local_aws
from dist import sums
from localaws import deployment, paths
from localaws.calls import Endpoint
from localaws.ministack import REGION
from world import SOLAR_SYSTEM_AUDIENCE, World

SILVER, GOLD = "http://myapp.com/scp/silver", "http://myapp.com/scp/gold"


def prepare(page, world):
    """Prepares the world of a page."""
    SETUPS.get(page, lambda world: None)(world)


def built(world):
    """The programs where `make build` leaves them."""
    (world.directory / "target").mkdir()
    (world.directory / "target" / "release").symlink_to(paths.BINARIES)


def aws_binding(world):
    world.solar_system()
    aws = world.local_aws()
    function = local_aws.function(aws, "portcullis", paths.BOOTSTRAP)
    local_aws.rest_api(aws, "Solar system", function, team="shop")


def cloudformation(world):
    aws = world.local_aws()
    for template in (paths.REPOSITORY / "deploy" / "cloudformation").glob("*.yaml"):
        (world.directory / template.name).symlink_to(template)
    aws.client("s3").create_bucket(Bucket="my-bucket")
    function = local_aws.function(aws, "shop-authorizer", paths.BOOTSTRAP)
    local_aws.rest_api(aws, "Shop", function, team="shop")
    api = local_aws.rest_api(aws, "Solar system", function)
    for region in ("eu-west-1", "us-west-2"):
        aws.client("logs", region).create_log_group(logGroupName="/aws/lambda/us-east-1.portcullis-edge")
    world.stands_for |= {
        "a1b2c3d4e5": api,
        "Architecture=arm64": f"Architecture={deployment.architecture()}",
    }
    world.write("edge.toml", 'SERVICE_URL = "https://pdp.example.com"\nSECRET_HEADER_VALUE = "credential"\n')
    world.environment |= {
        "CREDENTIAL": secrets.token_hex(32),
        "CLIENT_ID": "gateway",
        "CLIENT_SECRET": secrets.token_hex(32),
        "FUNCTION_NAME": "shop-authorizer",
        "LOG_GROUP_NAME": "/aws/lambda/us-east-1.portcullis-edge",
    }


def command_line(world):
    world.solar_system()
    token = world.token(scope=SILVER, aud=SOLAR_SYSTEM_AUDIENCE)
    request = {"method": "GET", "url": "https://solar-system.example/moons", "headers": [{"Authorization": f"Bearer {token}"}]}
    world.write("request.json", json.dumps(request) + "\n")
    world.stands_for["Bearer ..."] = f"Bearer {token}"
    world.write("keys.json", json.dumps(world.issuer.keys))
    world.write("token.txt", world.token(exp=1_700_000_600, iat=1_700_000_000, cid="client", aud="api://default"))


def decision_service(world):
    world.solar_system()
    world.write("credentials.txt", f"{secrets.token_hex(32)}\n")
    certificate = trustme.CA().issue_cert("127.0.0.1")
    world.write("tls.crt", certificate.cert_chain_pems[0].bytes().decode())
    world.write("tls.key", certificate.private_key_pem.bytes().decode())


def decisions(world):
    """A service that has decided a few times, and keeps what it needs to replay that."""
    world.solar_system()
    changed_copy(world)
    token = secrets.token_hex(32)
    credential = secrets.token_hex(32)
    world.environment |= {"TOKEN": token, "PORTCULLIS_ADMIN_TOKEN": token, "PORTCULLIS_GATEWAY_CREDENTIALS": credential}
    world.before = "portcullis serve --policy policy/ --record-requests\n"
    for path in ("planets", "moons", "moons", "moons"):
        request = {
            "source_ip": "192.0.2.7", "source_port": 443, "method": "GET", "http_version": "1.1",
            "url": f"https://solar-system.example/{path}",
            "headers": [{"Authorization": f"Bearer {world.token(scope=SILVER, aud=SOLAR_SYSTEM_AUDIENCE)}"}],
        }
        world.write(f"{path}.json", json.dumps(request))
        world.before += (
            f"curl -sf -o /dev/null -H 'CLIENT-TOKEN: {credential}' -H 'Content-Type: application/json' "
            f"--data @{path}.json http://127.0.0.1:8080/sideband/request\n"
        )


def start(world):
    api_to_guard(world, "orders", "invoices")
    world.environment["TOKEN"] = world.token(scope="orders:read")


def oauth(world):
    """A client that gets tokens by itself, and the token of a user that the page does not show how to get."""
    api_to_guard(world, "planets", "moons", "asteroids")
    world.environment |= {
        "CLIENT_ID": "planets-app",
        "CLIENT_SECRET": (secret := secrets.token_hex(32)),
        "ASTRONOMER": world.token(groups=["astronomers"], auth_time=int(time.time())),
    }
    world.issuer.clients["planets-app"] = secret


def pingone(world):
    """`portcullis serve` stands for PingOne's side: both speak the sideband protocol."""
    api_to_guard(world, "planets", "moons")
    world.solar_system()
    service = world.directory / "policy" / "services" / "solar-system.yaml"
    # The URL that PingOne sees has the address of the API, and on AWS the stage, which the local one does not tell.
    api = world.stands_for["a1b2c3d4e5"]
    address = f"https://{api}.execute-api.{REGION}.amazonaws.com"
    service.write_text(service.read_text().replace("base_urls: [https://solar-system.example]", f"base_urls: [{address}]"))
    world.environment |= {
        "CREDENTIAL": (credential := secrets.token_hex(32)),
        "PORTCULLIS_GATEWAY_CREDENTIALS": credential,
        "TOKEN": world.token(scope=SILVER, aud=SOLAR_SYSTEM_AUDIENCE),
    }
    world.stands_for["https://http-access-api.pingone.eu"] = world.stands_for["https://pdp.example.com"]
    world.before = "portcullis serve --policy policy/\n"


def cloudentity(world):
    """Nobody is at the address of the control plane: what the function then does is no part of the page."""
    api_to_guard(world, "planets")
    world.stands_for["https://acme.us.authz.cloudentity.io"] = "http://127.0.0.1:9"
    world.environment |= {"CLIENT_ID": "gateway", "CLIENT_SECRET": secrets.token_hex(32)}


def cloudentity_control_plane(world):
    """Between the steps of the page, the function that it deploys at step 4 finds an API."""

    def find_an_api(world, shell):
        # The secret is shown once, to who made the gateway.
        (gateway,) = [json.loads(text) for file in world.logs.glob("*.out") if '"client_secret"' in (text := file.read_text())]
        endpoint = Endpoint(int(world.environment["BOOK_PORT"]))
        control_plane.tell(endpoint, gateway["client"], {"api_id": "a1b2c3d4e5", "api_name": "Shop", "stage": "prod"}, ["/orders"])

        def ask(path):
            status, output = shell.run(world.here(f"ask https://pdp.example.com/api/admin/default{path}\n"))
            assert status == 0, output
            return json.loads(output)

        (group,) = ask(f"/gateways/{gateway['id']}/groups")["groups"]
        (api,) = ask(f"/services/{group['service_id']}/apis")["apis"]
        shell.run(f"API={api['id']}\n")

    world.between["/apis/$API"] = find_an_api


def caching(world):
    """An API behind a function that asks a decision service."""
    aws = api_to_guard(world, "planets", "asteroids")
    world.solar_system()
    credential = secrets.token_hex(32)
    local_aws.function(aws, "portcullis", paths.BOOTSTRAP, {
        "SERVICE_URL": world.stands_for["https://pdp.example.com"], "SECRET_HEADER_VALUE": credential,
        "PORTCULLIS_BASE_URL": "https://solar-system.example", "PORTCULLIS_STRIP_STAGE": "true",
    })
    world.environment |= {
        "PORTCULLIS_GATEWAY_CREDENTIALS": credential,
        "TOKEN": world.token(scope=SILVER, aud=SOLAR_SYSTEM_AUDIENCE),
    }
    world.before = "portcullis serve --policy policy/\n"


def migrating(world):
    """An API with two stages and an authorizer that somebody wrote by hand, and the function that is to replace it."""
    world.solar_system()
    changed_copy(world)
    aws = api_to_guard(world, "planets", "moons", "asteroids")
    local_aws.function(aws, "portcullis", paths.BOOTSTRAP, {
        "PORTCULLIS_ISSUER": world.issuer.url, "PORTCULLIS_AUDIENCE": world.issuer.audience,
        "PORTCULLIS_SCOPES": f"GET /planets = {SILVER}; GET /moons = {GOLD}; GET /asteroids",
    })
    local_aws.handwritten_authorizer(aws, world.stands_for["a1b2c3d4e5"], "prod", "test")
    world.environment |= {"SILVER": world.token(scope=SILVER), "GOLD": world.token(scope=f"{SILVER} {GOLD}")}


def releases(world):
    """What somebody has who got a release: its files with their checksums, and the function for the other architecture.

    Here that is a function of which only the header says so, which is all that is read of it.
    """
    world.solar_system()
    other = bytearray(paths.BOOTSTRAP.read_bytes())
    other[18:20] = ARM64
    unpacked = world.directory / "portcullis-VERSION-aarch64-unknown-linux-gnu"
    unpacked.mkdir()
    (unpacked / "bootstrap").write_bytes(other)
    world.before = "portcullis policy bundle policy/ -o policy.json\n"
    downloaded = world.directory / "dist"
    downloaded.mkdir()
    for name in ("authorizer-arm64.zip", "edge.zip", "edge.zip.cdx.json"):
        (downloaded / name).write_text(name)
    sums.write_sums(downloaded)
    for file in downloaded.iterdir():
        file.rename(world.directory / file.name)


# System V ABI, "ELF Header", `e_machine`.
ARM64 = bytes([183, 0])


def changed_copy(world):
    """The policy of the example under another name, in which planets need gold."""
    world.solar_system("next")
    change = world.directory / "next" / "services" / "solar-system.yaml"
    change.write_text(change.read_text().replace(SILVER, GOLD))


def edge_stand_in(world):
    """A package for CloudFront, and an event for it: a request without a token."""
    (world.directory / "tests").symlink_to(paths.REPOSITORY / "tests")
    world.write("edge.toml", EDGE_SETTINGS)
    world.before = "portcullis package edge --config edge.toml -o edge.zip\n"
    request = {"method": "GET", "uri": "/planets", "querystring": "", "clientIp": "192.0.2.7",
               "headers": {"host": [{"key": "Host", "value": "d111111abcdef8.cloudfront.net"}]}}
    config = {"distributionDomainName": "d111111abcdef8.cloudfront.net", "distributionId": "EDFDVBD6EXAMPLE",
              "eventType": "viewer-request", "requestId": "made-up"}
    world.write("event.json", json.dumps({"Records": [{"cf": {"config": config, "request": request}}]}))


EDGE_SETTINGS = """
PORTCULLIS_ISSUER = "https://idp.example.com"
PORTCULLIS_AUDIENCE = "https://api.example.com"
PORTCULLIS_SCOPES = "GET /planets = silver"
"""


def authzen(world):
    api_to_guard(world, "todos", "users")
    world.environment["TOKEN"] = world.token(scope="todos")


def api_to_guard(world, *parts):
    """An API in a new local AWS that nobody authorizes, under the id and at the address that pages have."""
    (world.directory / "deploy").symlink_to(paths.REPOSITORY / "deploy")
    aws = world.local_aws()
    api = local_aws.rest_api(aws, "Shop", local_aws.backend(aws, "shop"), parts)
    world.stands_for |= {
        "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com": f"http://{api}.execute-api.localhost:{aws.port}",
        "a1b2c3d4e5": api,
        "Architecture=x86_64": f"Architecture={deployment.architecture()}",
        "--architectures x86_64": f"--architectures {deployment.architecture()}",
    }
    return aws


def policy(world):
    world.solar_system()


def policies(world):
    """A policy that the files of the page fit, and a request that they permit."""
    world.write("policy/services/moons.yaml", MOONS)
    headers = [{"Authorization": f"Bearer {world.token(department='ops')}"}]
    request = {"method": "PUT", "url": "https://api.example.com/moons/io", "headers": headers, "source_ip": "10.1.2.3"}
    world.write("request.json", json.dumps(request))


MOONS = """
name: Moons
base_urls: [https://api.example.com]
tokens:
  - issuer: https://idp.example.com
    audiences: [https://api.example.com]
    claims: { types: { department: text } }
policy: moons.rego
operations:
  - { name: Move a moon, methods: [PUT], paths: ["/moons/{moon}"], policy: moons.cedar }
  - { name: Report, paths: [/report], policy: report.yaml }
"""


def policy_directory(world):
    world.write("policy/policies/moons.rego", "package acp.authz\n\ndefault allow := true\n")


def statements(world):
    validators = "validators: [{ name: attributes, conf: { fields: [{ field: authnCtx.sub, comparator: equals, value: joe }] } }]"
    world.write("policy/policies/own-orders.yaml", validators)


def management_api(world):
    answers = pingone_answers()
    for name, answer in answers.items():
        world.issuer.documents[f"/v1/environments/e{name}"] = answer
    world.environment |= {"API": f"{world.issuer.url}/v1/environments/e", "ID": "5c1f7d8e"}


def pingone_answers():
    """Answers of PingOne's management API, in the shapes of its documentation."""
    return {
        "/apiServers": {"_embedded": {"apiServers": [{
            "id": "5c1f7d8e", "name": "Banking API", "baseUrls": ["https://api.example.com/v1"],
            "authorizationServer": {"type": "PINGONE_SSO", "resource": {"id": "9d7fc201-5d1e-4b0b-9a57-4a1e5b1f0c11"}},
            "directory": {"type": "PINGONE_SSO"}, "accessControl": {"custom": {"enabled": False}},
        }]}},
        "/externalOAuthServers": {"_embedded": {"externalOAuthServers": []}},
        "/apiServers/5c1f7d8e/operations?expand=groups,scopes": {"_embedded": {"operations": [{
            "_links": {"self": {"href": "https://api.pingone.eu/v1/environments/e/apiServers/5c1f7d8e/operations/o-1"}},
            "id": "o-1", "name": "Pay", "methods": ["POST", "PUT"], "paths": [{"type": "EXACT", "pattern": "/pay"}],
            "accessControl": {
                "group": {"groups": [{"id": "7d2b6c0e-3f44-4c7e-8a55-0d9be3c5a7f2"}]},
                "scope": {"matchType": "ANY", "scopes": [{"id": "c-1"}]},
                "permission": {"id": "88aa1f33-6f0e-4d0a-9b6e-27c1d7a4e5b9"},
                "authentication": {"acrs": [{"id": "52e1a9c4-1b7d-4f5c-8a0f-6c4d2b9e7f10", "type": "PINGONE"}]},
            },
            "_embedded": {"scopes": [{"id": "c-1", "name": "pay"}]},
        }]}},
    }


SETUPS = {
    "deploy/cloudformation/README.md": cloudformation,
    "docs/authorizer.md": built,
    "docs/authzen.md": authzen,
    "docs/caching.md": caching,
    "docs/cloudentity.md": cloudentity,
    "docs/cloudentity-control-plane.md": cloudentity_control_plane,
    "docs/cloudfront.md": World.local_aws,
    "docs/aws-binding.md": aws_binding,
    "docs/command-line.md": command_line,
    "docs/decision-service.md": decision_service,
    "docs/decisions.md": decisions,
    "docs/deployments.md": policy,
    "docs/management-api.md": management_api,
    "docs/migrating.md": migrating,
    "docs/oauth.md": oauth,
    "docs/pingone-api-gateway.md": pingone,
    "docs/policies.md": policies,
    "docs/policy-directory.md": policy_directory,
    "docs/releases.md": releases,
    "docs/start.md": start,
    "docs/statements.md": statements,
    "tests/edge/README.md": edge_stand_in,
}
