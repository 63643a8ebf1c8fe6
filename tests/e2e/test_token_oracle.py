"""Does anybody else accept or refuse the same access tokens? oauth4webapi is asked about each of them.

`tests/oracle` makes the tokens, valid and spoilt, and says what oauth4webapi thinks of them as RFC 9068
access tokens. Portcullis is asked with `portcullis token verify`, at the same time and with the same 5 s
of tolerance. Where the two differ, DISAGREEMENTS says who is stricter and why; what is not listed there
fails, and so does what is listed and no longer happens.

PORTCULLIS_ORACLE_SEED repeats the changes that were made at random.
"""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from localaws import paths

ORACLE = paths.REPOSITORY / "tests" / "oracle"
CLASSES = [
    "valid",
    *("iss", "aud", "exp", "nbf", "iat", "sub", "client_id", "jti", "scope", "groups", "cnf"),
    *("typ", "header types", "alg", "none", "crit", "b64", "kid", "key in the header"),
    *("duplicate members", "JSON", "base64", "signature", "wrong key", "HMAC"),
    *("serialization", "white space", "key set", "at random"),
]

NOT_A_TEXT = [
    *("null", "true", "false", "zero", "number"),
    *("empty list", "list of numbers", "object", "object with a text"),
]
NO_SCOPES = [kind for kind in NOT_A_TEXT if kind != "empty list"]
LATER = ["in the future", "a fraction ahead of the tolerance", "just ahead of the tolerance", "in milliseconds"]
MEMBERS = ["iss", "aud", "exp", "iat", "nbf", "sub", "client_id", "jti", "scope", "unknown"]
# The oracle looks at the last of several; where that is wrong and it compares it, both sides refuse.
NOT_COMPARED = ["iat", "nbf", "sub", "client_id", "jti", "scope", "unknown"]
HEADER = ["header alg", "header typ", "header kid"]
PARTS = ["header", "claims", "signature"]


@dataclass(frozen=True)
class Disagreement:
    group: str
    names: list
    reason: str


WE_ARE_STRICTER = [
    *(
        Disagreement(
            claim,
            ["empty text"],
            "RFC 9068 section 2.2 requires the claim so that somebody is named; an empty text names nobody",
        )
        for claim in ("sub", "client_id", "jti")
    ),
    Disagreement(
        "aud",
        ["list with a number", "list with null"],
        "RFC 7519 section 4.1.3: an array of case-sensitive strings, and nothing else",
    ),
    *(
        Disagreement(
            claim,
            ["too large for a number"],
            "RFC 8259 section 6 lets a reader limit numbers; the oracle reads infinity, a token that never expires",
        )
        for claim in ("exp", "iat")
    ),
    Disagreement("nbf", ["negative"], "RFC 7519 section 2: NumericDate counts from 1970, and no token is older"),
    Disagreement("iat", ["negative"], "RFC 7519 section 2: NumericDate counts from 1970, and no token is older"),
    Disagreement(
        "iat",
        [*LATER, "enormous"],
        "RFC 7519 section 4.1.6: iat tells the age of the token, and a negative age means that a clock is wrong",
    ),
    Disagreement(
        "scope",
        [*NO_SCOPES, "mixed list"],
        "RFC 9068 section 2.2.3 has the scope of RFC 8693 section 4.2, a string; rules depend on it",
    ),
    Disagreement(
        "groups",
        [*NO_SCOPES, "empty text", "as a text", "mixed list"],
        "RFC 9068 section 2.2.3.1 has the groups of RFC 7643 section 4.1.2, which are many; rules depend on them",
    ),
    Disagreement(
        "cnf",
        ["object"],
        "RFC 7800 section 3.1: cnf says that the token is bound; one that does not say to what is not a bearer token",
    ),
    Disagreement(
        "header types",
        [f"cty: {kind}" for kind in [*NOT_A_TEXT, "list of texts"]],
        "RFC 7515 section 4.1.10: a string",
    ),
    Disagreement(
        "header types",
        [f"b64: {kind}" for kind in [*NOT_A_TEXT, "empty text", "list of texts"]],
        "RFC 7797 section 6: b64 must be in crit, and section 7: it is not for JWTs",
    ),
    Disagreement(
        "b64",
        ["true, without crit", "false, without crit"],
        "RFC 7797 section 6: b64 must be in crit, and section 7: it is not for JWTs",
    ),
    Disagreement(
        "duplicate members",
        [
            *(f"{member}: {which}" for member in MEMBERS + HEADER for which in ("same", "wrong first")),
            *(f"{member}: wrong last" for member in NOT_COMPARED),
            "written with an escape",
            "deep inside",
        ],
        "RFC 7515 section 4 and RFC 7519 section 4 allow to refuse them: two readers may see two different tokens",
    ),
    Disagreement(
        "JSON",
        ["claims: byte order mark", "header: byte order mark"],
        "RFC 8259 section 8.1: none may be added, and a reader may take one for an error",
    ),
    Disagreement(
        "JSON",
        ["claims: not UTF-8", "header: not UTF-8"],
        "RFC 7515 section 5.2, step 3, and RFC 7519 section 7.2, step 10: the text is UTF-8",
    ),
    Disagreement(
        "JSON", ["claims: half a surrogate pair"], "RFC 8259 section 8.2: what a reader makes of it is unpredictable"
    ),
    Disagreement(
        "JSON",
        [
            *("claims: very many digits", "claims: nested 40 deep", "claims: 3000 values", "claims: 20 KiB"),
            *("header: nested 20 deep", "header: 100 values"),
        ],
        "RFC 8259 section 9: a reader may limit size, depth and numbers",
    ),
    Disagreement(
        "base64",
        [
            *(f"{part}: {way}" for part in PARTS for way in ("padding", "tab inside", "other alphabet")),
            *("header: tab at the end", "claims: tab at the end"),
        ],
        "RFC 7515 section 2: base64url without padding, line breaks, white space or other characters",
    ),
    Disagreement(
        "base64",
        [f"{part}: other last bits" for part in PARTS],
        "RFC 4648 section 3.5: a reader may refuse bits that stand for nothing; one token has one spelling",
    ),
    Disagreement(
        "white space",
        [f"{space} in the signature" for space in ("tab", "form feed", "vertical tab", "no-break space")],
        "RFC 7515 section 2: base64url without padding, line breaks, white space or other characters",
    ),
    Disagreement(
        "key set",
        ["same kid, other type"],
        "RFC 7517 section 4.5: keys in a set should have different kids; Wycheproof asks to refuse the set",
    ),
    Disagreement(
        "key set", ["secret beside it"], "RFC 8725 section 2.1: a published secret is what algorithm confusion needs"
    ),
    Disagreement(
        "at random", ["same bytes in another base64"], "RFC 7515 section 2 and RFC 4648 section 3.5, as in class base64"
    ),
]

# Each needs an argument why it opens no door.
THEY_ARE_STRICTER = [
    Disagreement(
        "white space",
        [
            *(f"{space} before" for space in ("tab", "line break", "carriage return", "form feed", "vertical tab")),
            *("no-break space before", "em space before", "em space after"),
        ],
        "RFC 6750 section 2.1 is about a header, and this is a file: the command trims what stands around the token "
        "there, while the oracle can only be asked in a header. Whether a header with such a thing gets through is the "
        "decision service's question, which test_token_server.py asks.",
    ),
]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """What both sides say of each token, by class and name."""
    seed = os.environ.get("PORTCULLIS_ORACLE_SEED")
    command = ["node", ORACLE / "oracle.js", *([seed] if seed else [])]
    made = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    directory = tmp_path_factory.mktemp("key-sets")
    files = {name: directory / f"{number}.json" for number, name in enumerate(made["sets"])}
    for name, file in files.items():
        file.write_text(json.dumps(made["sets"][name]))

    def ours(case):
        options = ["--jwks", files[case["set"]], "--issuer", made["issuer"], "--audience", made["audience"]]
        return verify([*options, "--now", str(made["now"])], case["token"])

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ours, made["tokens"]))
    verdicts = Verdicts(made["seed"])
    for case, (accepted, why) in zip(made["tokens"], answers):
        by_name = verdicts.setdefault(case["class"], {})
        by_name.setdefault(case["name"], []).append(Verdict(accepted, why, case["accepted"], case["why"]))
    return verdicts


class Verdicts(dict):
    def __init__(self, seed):
        super().__init__()
        self.seed = seed


@dataclass(frozen=True)
class Verdict:
    ours: bool
    our_reason: str
    theirs: bool
    their_reason: str


def verify(options, token):
    """Whether `portcullis token verify` accepts the token, and what it says."""
    command = [paths.PORTCULLIS, "token", "verify", "--json", *options, "-"]
    done = subprocess.run(command, input=token.encode(), capture_output=True, timeout=30)
    if done.returncode == 2 and b"holds no usable keys" in done.stderr:
        return False, done.stderr.decode().strip()
    assert done.returncode in (0, 1), done.stderr.decode()
    report = json.loads(done.stdout)
    assert report["accepted"] == (done.returncode == 0)
    return report["accepted"], "; ".join(finding["message"] for finding in report["failed"])


@pytest.mark.parametrize("group", CLASSES)
def test_both_say_the_same_but_for_what_is_listed(verdicts, group):
    expected = {}
    for listed, stricter in ((WE_ARE_STRICTER, (False, True)), (THEY_ARE_STRICTER, (True, False))):
        expected |= {name: stricter for entry in listed if entry.group == group for name in entry.names}
    unknown = expected.keys() - verdicts[group].keys()
    assert not unknown, f"no token is made for what is listed: {sorted(unknown)}"
    wrong = []
    for name, both in verdicts[group].items():
        for verdict in both:
            found = (verdict.ours, verdict.theirs)
            if name in expected and found != expected[name]:
                wrong.append(f"{name}: listed, but now {verdict}")
            elif name not in expected and found[0] != found[1]:
                wrong.append(f"{name}: {verdict}")
    assert not wrong, "\n".join([f"class {group}, PORTCULLIS_ORACLE_SEED={verdicts.seed}:", *wrong])


def test_the_classes_are_the_ones_that_tokens_are_made_for(verdicts):
    assert sorted(verdicts) == sorted(CLASSES)
    listed = [(entry.group, name) for entry in WE_ARE_STRICTER + THEY_ARE_STRICTER for name in entry.names]
    assert len(listed) == len(set(listed)), "something is listed twice"
    assert {group for group, _ in listed} <= set(CLASSES)


def test_valid_tokens_are_accepted_and_the_changes_are_many(verdicts):
    """Two sides that refuse everything agree as well."""
    assert all(verdict.ours and verdict.theirs for both in verdicts["valid"].values() for verdict in both)
    assert sum(len(both) for both in verdicts["at random"].values()) >= 300
