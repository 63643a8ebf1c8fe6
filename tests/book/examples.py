"""What the examples of `--help` need before they run, by command."""

import json

import local_aws
import pages
import setups
from local_issuer import SigningKey, dpop_proof
from world import SOLAR_SYSTEM_AUDIENCE

URL = "https://api.example.com/planets"
# Before and at the time that the example with --now names.
LONG_AGO, THEN = 1_477_845_500, 1_477_846_100


def prepare(command, world):
    """Prepares the world of the examples of a command."""
    SETUPS[command](world)


def policy_test(world):
    world.solar_system()
    world.solar_system("old-policy")


def database(world, deployments=1):
    """A database with that many deployments, whatever it is called."""
    world.solar_system()
    world.stands_for["postgres://..."] = "sqlite:portcullis.db"
    world.environment["PORTCULLIS_DATABASE_URL"] = "sqlite:portcullis.db"
    world.before = "portcullis policy push policy/\n" * deployments


def pull(world):
    database(world, deployments=8)
    world.before += "rm -r policy\n"


def import_pingone(world):
    setups.management_api(world)
    world.environment["TOKEN"] = "of a worker application"
    (names,) = [block.text for block in pages.blocks("docs/management-api.md") if block.file == "names.yaml"]
    world.write("names.yaml", names)


def admin_token(world):
    world.environment["PORTCULLIS_DATABASE_URL"] = "sqlite:portcullis.db"


def token_verify(world):
    """Three tokens under one name: a usual one, one of long ago, and one that is bound to a key."""
    key = SigningKey()
    bound = world.issuer.dpop_token(key, aud="api://default")
    world.write("token.txt", world.token(aud="api://default"))
    world.write("old.txt", world.token(aud="api://default", iat=LONG_AGO, exp=THEN + 600, cid="client"))
    world.write("bound.txt", bound)
    world.write("keys.json", json.dumps(world.issuer.keys))
    world.environment["PROOF"] = dpop_proof(key, "GET", URL, bound)


def api(world):
    """An API that nobody authorizes, and a function for it."""
    aws = world.local_aws()
    function = local_aws.backend(aws, "portcullis")
    world.stands_for["a1b2c3d4e5"] = local_aws.rest_api(aws, "Planets", function, ("planets",))
    return aws, function


def apis(world):
    aws, function = api(world)
    local_aws.rest_api(aws, "Shop", function, ("orders",), team="shop")


def bound_apis(world):
    apis(world)
    # Without deployments: of those there is one in 5 seconds.
    world.before = "portcullis aws bind --function portcullis --all --yes\n"


def guarded_api(world):
    api(world)
    world.solar_system()
    world.before = "portcullis aws bind --function portcullis --all --deploy --yes\n"


def package_edge(world):
    world.write("edge.toml", setups.EDGE_SETTINGS)


def package_authorizer(world):
    setups.built(world)
    world.solar_system()
    world.before = "portcullis policy bundle policy/ -o policy.json\n"


def decide(world):
    world.solar_system()
    token = world.token(scope=setups.SILVER, aud=SOLAR_SYSTEM_AUDIENCE)
    request = {"method": "GET", "url": "https://solar-system.example/planets", "headers": [{"Authorization": f"Bearer {token}"}]}
    world.write("request.json", json.dumps(request))


SETUPS = {
    "portcullis serve": setups.decision_service,
    "portcullis policy check": setups.policy,
    "portcullis policy metadata": setups.policy,
    "portcullis policy bundle": setups.policy,
    "portcullis policy test": policy_test,
    "portcullis policy push": database,
    "portcullis policy pull": pull,
    "portcullis policy deployments": database,
    "portcullis policy rollback": lambda world: database(world, deployments=8),
    "portcullis policy import pingone": import_pingone,
    "portcullis admin token create": admin_token,
    "portcullis token verify": token_verify,
    "portcullis aws discover": apis,
    "portcullis aws plan": apis,
    "portcullis aws bind": apis,
    "portcullis aws unbind": bound_apis,
    "portcullis aws doctor": guarded_api,
    "portcullis package edge": package_edge,
    "portcullis package authorizer": package_authorizer,
    "portcullis decide": decide,
}

# What is done before an example.
BEFORE = {
    "portcullis token verify --jwks keys.json --audience api://default --profile okta --now 1477846100 - < token.txt":
        "mv old.txt token.txt",
    'portcullis token verify --issuer https://idp.example.com --audience api://default --scheme dpop '
    '--proof "$PROOF" --method GET --url https://api.example.com/planets - < token.txt':
        "mv bound.txt token.txt",
}
# What asks whether it is meant. It is told so, at a terminal, because it asks nobody else.
ASKS = {
    "portcullis aws bind --function portcullis --api a1b2c3d4e5 --deploy",
    "portcullis aws unbind --api a1b2c3d4e5 --deploy",
}
