"""Do policies in Rego and Cedar decide at the edge, and does a policy that never ends only harm its own requests?

Needs a `portcullis` that was built after the modules of the edge function (`make build`), and Node.js. Nothing asks the
network: the bundle holds the key of the issuer.
"""

import base64
import json
import subprocess
import time
import zipfile

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from edge_runner import Origin, Runners
from localaws import paths
from localaws.processes import plain_environment

FOLDER = "aws-lambda-authorizer/src"
ISSUER = "https://idp.example.com"
NOT_BUILT = "built without the module"

# Each decides on the operation of the same path.
REGO = {
    "claim": 'allow if input.authn_ctx.department == "ops"',
    "old-dialect": 'allow { input.authn_ctx.department == "ops" }',
    "functions": r"""
        allow if {
            regex.match(`^(?i)o\p{L}\w$`, input.authn_ctx.department)
            glob.match("/fun*", [], input.request.path)
            net.cidr_contains("127.0.0.0/8", input.request.source_ip)
            time.clock([1700000000000000000, "Europe/Berlin"]) == [23, 13, 20]
            time.now_ns() > 1700000000000000000
            base64url.encode_no_pad(sprintf("%s %d", [input.authn_ctx.department, 7])) == "b3BzIDc"
        }""",
    "steps": "allow if count([1 | some i in tags; some j in tags; some k in tags]) > 0",
    # Few instructions, each of which takes long.
    "time": """
        long := concat("", [x | some i in tags; some x in tags])
        allow if count([1 | some i in tags; some j in tags; regex.match(`(a|b|[^c])*d`, long)]) > 0""",
    # The double of a text, forty times.
    "memory": "allow if count(x40) > 0\nx0 := \"0123456789abcdef\"\n"
    + "".join(f'x{n} := concat("", [x{n - 1}, x{n - 1}])\n' for n in range(1, 41)),
    # More than the module may have, in one instruction.
    "memory-at-once": 'allow if count(net.cidr_expand("10.0.0.0/8")) > 0',
}
TAGS = "\ntags := [\n" + ",\n".join(", ".join(f'"tag{n}{m}"' for m in range(10)) for n in range(30)) + "\n]\n"
CEDAR = {
    "claim": 'principal.claims has department && principal.claims.department == "ops"',
    "address": 'principal.claims has department && principal.claims.department == "ops"'
    ' && context has source_ip && context.source_ip.isInRange(ip("127.0.0.0/8"))',
}


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Issuer:
    """Signs tokens with a key that only the bundle knows."""

    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())
        point = self._key.public_key().public_numbers()
        coordinates = {"x": base64url(point.x.to_bytes(32)), "y": base64url(point.y.to_bytes(32))}
        self.jwks = {"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "use": "sig", **coordinates}]}

    def token(self, **claims):
        now = int(time.time())
        header = {"alg": "ES256", "kid": "k", "typ": "at+jwt"}
        usual = {"iss": ISSUER, "aud": "api", "sub": "u", "client_id": "c", "jti": "j", "iat": now - 5, "exp": now + 600}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, usual | claims))
        r, s = utils.decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{base64url(r.to_bytes(32) + s.to_bytes(32))}"


@pytest.fixture(scope="module")
def issuer():
    return Issuer()


@pytest.fixture(scope="module")
def functions(tmp_path_factory, issuer):
    functions = Functions(tmp_path_factory, issuer)
    yield functions
    functions.stop()


class Functions:
    """The edge function with policies, in front of one origin."""

    def __init__(self, directories, issuer):
        self._directories, self._issuer = directories, issuer
        self._origin = Origin()
        self._runners = Runners(self._origin, directories)
        self._running = {}

    def get(self, languages, policies):
        """The function with those languages and `policies`, texts by the names of their files: made once, and kept."""
        key = (languages, *policies)
        if key not in self._running:
            self._running[key] = Function(self._runners.start(self._package(languages, policies)))
        return self._running[key]

    def _package(self, languages, policies):
        folder = self._directories.mktemp("edge")
        with_languages = [part for language in languages for part in ("--with", language)]
        made = portcullis("package", "edge", "-o", folder / "edge.zip", "--allow-large", *with_languages)
        if NOT_BUILT in made.stderr:
            pytest.skip(made.stderr.strip())
        assert made.returncode == 0, made.stderr
        with zipfile.ZipFile(folder / "edge.zip") as package:
            package.extractall(folder / "package")
        settings = {"PORTCULLIS_BUNDLE": "file:policy.json", "PORTCULLIS_BASE_URL": "https://api.example.com"}
        script = folder / "package" / FOLDER / "config.js"
        script.write_text(f"module.exports = {json.dumps(settings)};")
        self._bundle(folder / "policy", policies, script.with_name("policy.json"))
        return folder / "package"

    def _bundle(self, folder, policies, output):
        """Bundles a policy directory that asks each policy on a path of its own: /NAME for NAME.rego."""
        service = {
            "name": "S",
            "base_urls": ["https://api.example.com"],
            "tokens": [{"issuer": ISSUER, "audiences": ["api"], "claims": {"types": {"department": "text"}}}],
            "operations": [
                {"name": name, "methods": ["GET"], "paths": [f"/{name.replace('.', '/')}"], "policy": name} for name in policies
            ],
        }
        files = {"services/s.yaml": json.dumps(service)} | {f"policies/{name}": text for name, text in policies.items()}
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        made = portcullis("policy", "bundle", folder, "-o", output)
        assert made.returncode == 0, made.stdout + made.stderr
        bundle = json.loads(output.read_text())
        output.write_text(json.dumps(bundle | {"keys": {ISSUER: self._issuer.jwks}}))

    def stop(self):
        self._runners.stop()
        self._origin.stop()


class Function:
    def __init__(self, served):
        self._served = served
        self._asked = 0

    def status(self, path, token):
        """The status of the answer, whoever gave it."""
        self._asked += 1
        return self._served.call(path, [("Authorization", f"Bearer {token}")]).status

    def ask(self, path, token):
        """The status of the answer, and the lines that the function wrote."""
        answer = self._served.call(path, [("Authorization", f"Bearer {token}")])
        self._asked += 1
        record = self._served.records(self._asked)[self._asked - 1]
        assert record["outcome"] in ("forwarded", "generated"), record
        lines = [line for text in record["log"] for line in text.splitlines() if line.startswith("{")]
        return answer.status, [json.loads(line) for line in lines]


def portcullis(*arguments):
    command = [str(part) for part in (paths.PORTCULLIS, *arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=plain_environment(), check=False)


def reason(lines):
    return next(line["reason"] for line in lines if line.get("message") == "decided")


def rego(names):
    return {f"{name}.rego": f"package acp.authz\n{REGO[name]}\n{TAGS if 'tags' in REGO[name] else ''}" for name in names}


def cedar(names):
    return {f"{name}.cedar": f"permit(principal, action, resource) when {{ {CEDAR[name]} }};" for name in names}


DECIDING = [
    (("rego",), rego(["claim", "old-dialect", "functions"])),
    (("cedar",), cedar(["claim", "address"])),
    (("rego", "cedar"), rego(["claim", "old-dialect", "functions"]) | cedar(["claim", "address"])),
]


@pytest.mark.parametrize(("languages", "policies"), DECIDING, ids=["rego", "cedar", "both"])
def test_policies_decide(functions, issuer, languages, policies):
    function = functions.get(languages, policies)
    for name in policies:
        path = f"/{name.replace('.', '/')}"
        permitted, lines = function.ask(path, issuer.token(department="ops"))
        assert (name, permitted, reason(lines)) == (name, 200, "permitted")
        denied, lines = function.ask(path, issuer.token(department="hr"))
        assert (name, denied, reason(lines)) == (name, 403, "denied_by_policy")


RUNAWAY = ["steps", "time", "memory", "memory-at-once"]


def test_a_policy_with_too_many_steps_is_a_deny(functions, issuer):
    function = functions.get(("rego",), rego(["claim", *RUNAWAY]))
    status, lines = function.ask("/steps/rego", issuer.token(department="ops"))
    assert (status, reason(lines)) == (403, "policy_limit_exceeded")
    assert function.ask("/claim/rego", issuer.token(department="ops"))[0] == 200


@pytest.mark.parametrize("name", ["time", "memory", "memory-at-once"])
def test_a_policy_that_takes_all_time_or_memory_lets_nobody_through(functions, issuer, name):
    """Either the module or its instance ends, and the next request gets a new one."""
    function = functions.get(("rego",), rego(["claim", *RUNAWAY]))
    assert function.status(f"/{name}/rego", issuer.token(department="ops")) == 503
    status, lines = function.ask("/claim/rego", issuer.token(department="ops"))
    assert (status, reason(lines)) == (200, "permitted")


def test_a_function_without_the_language_starts_for_nobody_and_says_what_to_do(functions, issuer):
    function = functions.get((), rego(["claim"]))
    for department in ("ops", "hr"):
        status, lines = function.ask("/claim/rego", issuer.token(department=department))
        assert status == 503
        details = [line.get("detail", "") for line in lines]
        assert any("--with rego" in detail for detail in details), lines
