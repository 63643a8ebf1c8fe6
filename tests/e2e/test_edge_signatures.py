"""Does the edge function, for which Node.js verifies signatures, accept and refuse those that the native build does with aws-lc?

The outside vectors are those that crates/jose tests the native build with.
"""

import base64
import json
import subprocess
import time
from pathlib import Path

import pytest

from authorizer_events import Request, event
from edge_package import EdgeFunctions
from jose_keys import ALGORITHMS, JoseKey
from localaws import paths
from native_authorizer import NativeAuthorizer

VECTORS = paths.REPOSITORY.parent / "shared" / "data" / "vectors"
AUDIENCE = "https://api.example"
MEMBERS = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}

# The vectors of Wycheproof that are invalid though the signature holds: what is wrong with them is for the verifier to
# find, in either build before it asks for a signature. Nothing else that is invalid may pass.
NOT_ABOUT_THE_SIGNATURE = {
    **{number: "the key is for PS512 (crates/jose/src/jwk.rs)" for number in (332, 334, 336, 338, 340)},
    **{number: "the use of the key is another (crates/jose/src/jwk/usage.rs)" for number in (353, 354)},
    **{number: "the key_ops of the key are others (crates/jose/src/jwk/usage.rs)" for number in (355, 356)},
}
# The same for the keys of Wycheproof.
NOT_ABOUT_THE_POINT = {
    6: "the use of the key is another (crates/jose/src/jwk/usage.rs)",
    7: "the modulus is one of the ROCA generator (crates/jose/src/jwk/rsa.rs)",
    19: "alg names another curve (crates/jose/src/algorithm.rs)",
    20: "alg names another curve (crates/jose/src/algorithm.rs)",
    21: "the use of the key is another (crates/jose/src/jwk/usage.rs)",
}


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    functions = EdgeFunctions(tmp_path_factory)
    yield functions
    functions.stop()


@pytest.fixture(scope="module")
def verdicts(edge):
    """What host-crypto.js of the package says of (alg, jwk, message, signature)."""
    folder, _ = edge.unpacked(edge.by_hand())

    def ask(questions):
        text = json.dumps([
            {
                "alg": alg,
                # What a provider is given of a key is its numbers.
                "jwk": {name: jwk[name] for name in MEMBERS[jwk["kty"]] if name in jwk},
                "message": base64.b64encode(message).decode(),
                "signature": base64.b64encode(signature).decode(),
            }
            for alg, jwk, message, signature in questions
        ])
        command = ["node", Path(__file__).with_name("signature_verdicts.js"), folder / "host-crypto.js"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return ask


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def question(jws, jwk):
    """What is asked of a provider for a token; None where the verifier refuses it before."""
    try:
        header, payload, signature = jws.split(".")
        alg = json.loads(decode(header))["alg"]
        asked = alg, jwk, f"{header}.{payload}".encode(), decode(signature)
    except (ValueError, KeyError):
        return None
    return asked if alg in (*ALGORITHMS, "Ed25519") and jwk["kty"] in MEMBERS else None


def wycheproof(file):
    """Number, whether it is valid, and the question, of each test with a public key."""
    for group in json.loads((VECTORS / "wycheproof" / file).read_text())["testGroups"]:
        found = group.get("public", group.get("private"))
        for jwk in found.get("keys", [found]):
            for test in group["tests"]:
                asked = question(test["jws"], jwk)
                if asked:
                    yield test["tcId"], test["result"] == "valid", asked


def accepted(verdicts, vectors):
    """The numbers of the vectors that are accepted, and of those that are valid."""
    vectors = list(vectors)
    answers = verdicts([asked for _, _, asked in vectors])
    taken = {number for (number, _, _), answer in zip(vectors, answers, strict=True) if answer is True}
    return taken, {number for number, valid, _ in vectors if valid}, len(vectors)


def test_the_signatures_of_wycheproof(verdicts):
    taken, valid, count = accepted(verdicts, wycheproof("json_web_signature_test.json"))
    assert count == 342
    assert taken - valid == set(NOT_ABOUT_THE_SIGNATURE)
    assert valid - taken == set()


def test_the_keys_of_wycheproof(verdicts):
    taken, valid, count = accepted(verdicts, wycheproof("json_web_key_test.json"))
    assert count == 11
    assert taken - valid == set(NOT_ABOUT_THE_POINT)
    assert valid - taken == set()


def rfc_examples():
    """Tokens of RFC 7515 appendix A, RFC 7520 section 4, RFC 8037 appendix A, RFC 9449 and Okta, with their keys."""
    rfc7515 = json.loads((VECTORS / "rfc" / "rfc7515_appendix_a.json").read_text())
    for name in ("A2_RS256", "A3_ES256"):
        yield name, rfc7515[name]["jws"], rfc7515[name]["jwk"]
    cookbook = VECTORS / "rfc7520-cookbook"
    for name in ("jws/4_1.rsa_v15_signature", "jws/4_2.rsa-pss_signature", "jws/4_3.ecdsa_signature", "curve25519/jws"):
        example = json.loads((cookbook / f"{name}.json").read_text())
        yield name, example["output"]["compact"], example["input"]["key"]
    dpop = json.loads((VECTORS / "rfc" / "rfc9449_dpop.json").read_text())
    for name in ("token_endpoint_proof", "resource_proof"):
        proof = dpop[name]["jwt"]
        yield name, proof, json.loads(decode(proof.split(".")[0]))["jwk"]
    okta = VECTORS / "okta-sample"
    token = json.loads((okta / "event.json").read_text())["authorizationToken"].removeprefix("Bearer ")
    for jwk in json.loads((okta / "keys.json").read_text())["keys"]:
        if jwk["kid"] == json.loads(decode(token.split(".")[0]))["kid"]:
            yield "okta", token, jwk


def test_the_examples_of_the_specifications(verdicts):
    """Each is accepted, and none for another message or with another key of its type."""
    examples = list(rfc_examples())
    assert len(examples) == 9
    asked = {name: question(jws, jwk) for name, jws, jwk in examples}
    for name, (alg, jwk, message, signature) in asked.items():
        others = [other for other, *_ in asked.values() if other != alg]
        strangers = [key for _, key, *_ in asked.values() if key["kty"] == jwk["kty"] and key != jwk]
        wrong = [(alg, jwk, message + b"x", signature), (alg, jwk, message, signature[:-1])]
        wrong += [(alg, key, message, signature) for key in strangers]
        wrong += [(other, jwk, message, signature) for other in others]
        good, *bad = verdicts([asked[name], *wrong])
        assert good is True, name
        assert True not in bad, name


# --- signatures of every algorithm, good and bad


@pytest.fixture(scope="module")
def keys():
    return {alg: JoseKey(alg) for alg in ALGORITHMS}


MESSAGE = b"header.payload"


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_signature_that_is_not_quite_one(verdicts, keys, alg):
    key = keys[alg]
    damaged = key.damaged(MESSAGE)
    signatures = [key.sign(MESSAGE), *damaged.values()]
    good, *bad = verdicts([(alg, key.jwk, MESSAGE, signature) for signature in signatures])
    assert good is True
    assert dict(zip(damaged, bad, strict=True)) == dict.fromkeys(damaged, False)


def changed(jwk, member, change):
    return jwk | {member: base64.urlsafe_b64encode(change(decode(jwk[member]))).decode().rstrip("=")}


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512", "ES256K"])
def test_a_point_that_is_not_on_its_curve(verdicts, keys, alg):
    """RFC 8725 section 3.4."""
    jwk = keys[alg].jwk
    signature = keys[alg].sign(MESSAGE)
    size = len(decode(jwk["x"]))
    wrong = [
        changed(jwk, "x", lambda x: x[:-1] + bytes([x[-1] ^ 1])),
        changed(jwk, "y", lambda y: y[:-1] + bytes([y[-1] ^ 1])),
        changed(changed(jwk, "x", lambda _: bytes(size)), "y", lambda _: bytes(size)),
        changed(jwk, "x", lambda _: b"\xff" * size),
        jwk | {"x": jwk["y"], "y": jwk["x"]},
        {name: value for name, value in jwk.items() if name != "y"},
        jwk | {"crv": "P-384" if jwk["crv"] != "P-384" else "P-256"},
        jwk | {"crv": "P-0"},
    ]
    assert verdicts([(alg, each, MESSAGE, signature) for each in wrong]) == ["key"] * len(wrong)


def test_a_key_of_another_type_or_curve_than_its_algorithm(verdicts, keys):
    """Whichever algorithm signed."""
    fitting = {alg: {"RS": "RSA", "PS": "RSA", "Ed": "OKP"}.get(alg[:2], keys[alg].jwk.get("crv")) for alg in ALGORITHMS}
    wrong = [(alg, keys[other].jwk, MESSAGE, keys[other].sign(MESSAGE))
             for alg in ALGORITHMS for other in ALGORITHMS if fitting[alg] != fitting[other]]
    assert len(wrong) == 11 * 11 - 6 * 6 - 5
    assert verdicts(wrong) == ["key"] * len(wrong)


def test_an_algorithm_that_nobody_has(verdicts, keys):
    """Nor does any of those that every object of JavaScript has."""
    key, signature = keys["ES256"].jwk, keys["ES256"].sign(MESSAGE)
    names = ["none", "HS256", "es256", "", "ES224", "constructor", "__proto__", "toString", "RSA1_5"]
    assert verdicts([(name, key, MESSAGE, signature) for name in names]) == ["key"] * len(names)


# --- whole tokens, at both


@pytest.fixture(scope="module")
def issuer_keys(keys):
    """The keys with which tokens are signed here, by kid: one for each algorithm."""
    return {"keys": [{**key.jwk, "alg": alg, "kid": alg, "use": "sig"} for alg, key in keys.items()]}


@pytest.fixture(scope="module")
def claims():
    now = int(time.time())
    # Nobody listens there: the keys come with the function.
    return {"iss": "http://127.0.0.1:9", "aud": AUDIENCE, "sub": "s", "client_id": "c", "jti": "j", "iat": now, "exp": now + 600}


@pytest.fixture(scope="module")
def settings(claims):
    return {
        "PORTCULLIS_ISSUER": claims["iss"],
        "PORTCULLIS_AUDIENCE": AUDIENCE,
        "PORTCULLIS_SCOPES": "GET /things",
        "PORTCULLIS_JWKS": "file:keys.json",
    }


@pytest.fixture(scope="module")
def judge(edge, settings, issuer_keys, tmp_path_factory):
    """The reasons that the edge function and the authorizer find for a token."""
    at_edge = edge.run(edge.package(settings, **{"keys.json": json.dumps(issuer_keys)}))
    directory = tmp_path_factory.mktemp("native")
    (directory / "keys.json").write_text(json.dumps(issuer_keys))
    native = NativeAuthorizer(directory, **settings | {"PORTCULLIS_JWKS": f"file:{directory}/keys.json"})

    def ask(token):
        edge.secrets.add(token)
        headers = (("Authorization", f"Bearer {token}"),)
        outcome = native.invoke(event("rest_request", Request("/things", headers)))
        return at_edge.call("/things", headers).log.decided["reason"], outcome.log.decided["reason"]

    yield ask
    native.stop()


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_token_of_every_algorithm(judge, keys, claims, alg):
    """Permitted by both, and by neither with a signature that is not quite one."""
    key = keys[alg]
    assert judge(key.token(claims, kid=alg)) == ("permitted", "permitted")
    for name in key.damaged(MESSAGE):
        found = judge(key.token(claims, kid=alg, signature=lambda message, name=name: key.damaged(message)[name]))
        assert found in [(reason, reason) for reason in ("invalid_signature", "malformed_token")], name


@pytest.mark.parametrize(
    ("signer", "alg"), [("RS256", "PS256"), ("PS256", "RS256"), ("RS256", "RS512"), ("ES256", "ES256K"), ("ES256", "ES384")]
)
def test_a_token_that_says_another_algorithm_than_its_key(judge, keys, claims, signer, alg):
    """The key is bound to its own, also where the signature holds."""
    by_header = (lambda message: keys[signer].sign(message, alg=alg)) if alg[0] in "RP" else keys[signer].sign
    edge, native = judge(keys[signer].token(claims, alg=alg, kid=signer, signature=by_header))
    assert edge == native != "permitted"


@pytest.mark.parametrize("bits", [1024, 2040])
def test_a_key_that_is_too_short_is_none(verdicts, edge, settings, claims, bits):
    """Neither for the primitives nor for the verifier: the function has no key then."""
    key = JoseKey("RS256", rsa_bits=bits)
    assert verdicts([("RS256", key.jwk, MESSAGE, key.sign(MESSAGE))]) == ["key"]
    package = edge.package(settings, **{"keys.json": json.dumps({"keys": [{**key.jwk, "kid": "short"}]})})
    reply = edge.run(package).call("/things", [("Authorization", f"Bearer {key.token(claims, kid='short')}")])
    assert (reply.outcome, reply.log.decided["reason"]) == ("generated", "unknown_key")
