"""Keys of every algorithm that tokens may be signed with, and signatures that are and are not as RFC 7518 has them."""

import base64
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
CURVES = {
    "ES256": ("P-256", ec.SECP256R1, 32),
    "ES384": ("P-384", ec.SECP384R1, 48),
    "ES512": ("P-521", ec.SECP521R1, 66),
    "ES256K": ("secp256k1", ec.SECP256K1, 32),
}
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", *CURVES, "EdDSA"]


def encode(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(value, size=None):
    return encode(value.to_bytes(size or (value.bit_length() + 7) // 8))


class JoseKey:
    """A key for one algorithm."""

    def __init__(self, alg, rsa_bits=2048):
        self.alg = alg
        if alg in CURVES:
            crv, curve, size = CURVES[alg]
            self.private = ec.generate_private_key(curve())
            point = self.private.public_key().public_numbers()
            self.jwk = {"kty": "EC", "crv": crv, "x": number(point.x, size), "y": number(point.y, size)}
        elif alg == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
            self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode(self.private.public_key().public_bytes_raw())}
        else:
            self.private = rsa.generate_private_key(65537, rsa_bits)
            public = self.private.public_key().public_numbers()
            self.jwk = {"kty": "RSA", "n": number(public.n), "e": number(public.e)}

    def sign(self, message, alg=None, salt=None):
        """The signature of `message`, by another algorithm of the key's type where `alg` names one."""
        alg = alg or self.alg
        if alg == "EdDSA":
            return self.private.sign(message)
        digest = HASHES[alg[2:5]]()
        if alg.startswith("ES"):
            size = CURVES[alg][2]
            r, s = utils.decode_dss_signature(self.private.sign(message, ec.ECDSA(digest)))
            return r.to_bytes(size) + s.to_bytes(size)
        if alg.startswith("RS"):
            return self.private.sign(message, padding.PKCS1v15(), digest)
        length = digest.digest_size if salt is None else salt
        return self.private.sign(message, padding.PSS(padding.MGF1(digest), length), digest)

    def damaged(self, message):
        """Signatures that look like one of `message`, by what is wrong with them."""
        good = self.sign(message)
        wrong = {
            "one bit": good[:-1] + bytes([good[-1] ^ 1]),
            "first bit": bytes([good[0] ^ 0x80]) + good[1:],
            "too short": good[:-1],
            "too long": good + b"\0",
            "zero in front": b"\0" + good,
            "empty": b"",
            "zeros": bytes(len(good)),
            "ones": b"\xff" * len(good),
            "of another message": self.sign(message + b"x"),
        }
        if self.alg in CURVES:
            half = len(good) // 2
            r, s = int.from_bytes(good[:half]), int.from_bytes(good[half:])
            wrong |= {
                "in DER": utils.encode_dss_signature(r, s),
                "halves swapped": good[half:] + good[:half],
                "r is zero": bytes(half) + good[half:],
                "s is zero": good[:half] + bytes(half),
                "without zeros in front": r.to_bytes(half + 1) + s.to_bytes(half + 1),
            }
        if self.alg.startswith("PS"):
            wrong |= {f"salt of {size}": self.sign(message, salt=size) for size in (0, 20, 100)}
            wrong["of PKCS #1 v1.5"] = self.sign(message, alg=f"RS{self.alg[2:]}")
        if self.alg.startswith("RS"):
            wrong["of PSS"] = self.sign(message, alg=f"PS{self.alg[2:]}")
            other = {"RS256": "RS384", "RS384": "RS512", "RS512": "RS256"}[self.alg]
            wrong["of another digest"] = self.sign(message, alg=other)
        if self.alg == "EdDSA":
            order = (1 << 252) + 27742317777372353535851937790883648493
            s = int.from_bytes(good[32:], "little")
            wrong["s beyond the order"] = good[:32] + (s + order).to_bytes(32, "little")
        return wrong

    def token(self, claims, alg=None, signature=None, **header):
        """A token in compact form; `signature` is a function of the message where it is not this key's."""
        head = {"alg": alg or self.alg, "typ": "at+jwt", **header}
        message = f"{encode(json.dumps(head).encode())}.{encode(json.dumps(claims).encode())}".encode()
        signed = (signature or self.sign)(message)
        return f"{message.decode()}.{encode(signed)}"
