'use strict';

// Signatures and digests for the WebAssembly module, by node:crypto.

const crypto = require('node:crypto');

const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING } = crypto.constants;
/** How each algorithm of RFC 7518 section 3.1 is verified: the key that it takes, the digest, and what goes with the key. */
const rsa = (padding, hash, saltLength) => ({ type: 'rsa', hash, options: { padding, saltLength } });
const ecdsa = (curve, hash) => ({ type: 'ec', curve, hash, options: { dsaEncoding: 'ieee-p1363' } });
const eddsa = { type: 'ed25519', hash: null, options: {} };
const ALGORITHMS = new Map(Object.entries({
  RS256: rsa(RSA_PKCS1_PADDING, 'sha256'), PS256: rsa(RSA_PKCS1_PSS_PADDING, 'sha256', 32),
  RS384: rsa(RSA_PKCS1_PADDING, 'sha384'), PS384: rsa(RSA_PKCS1_PSS_PADDING, 'sha384', 48),
  RS512: rsa(RSA_PKCS1_PADDING, 'sha512'), PS512: rsa(RSA_PKCS1_PSS_PADDING, 'sha512', 64),
  ES256: ecdsa('prime256v1', 'sha256'), ES256K: ecdsa('secp256k1', 'sha256'),
  ES384: ecdsa('secp384r1', 'sha384'), ES512: ecdsa('secp521r1', 'sha512'),
  EdDSA: eddsa, Ed25519: eddsa,
}));

/** Whether an algorithm takes a key. The module has looked at it, too; so do the primitives of the native build. */
function fits({ type, curve }, { asymmetricKeyType, asymmetricKeyDetails: { namedCurve, modulusLength, publicExponent } }) {
  const sound = type !== 'rsa' || (modulusLength >= 2048 && modulusLength <= 8192 && publicExponent > 1n);
  return asymmetricKeyType === type && namedCurve === curve && sound;
}

const keys = new Map();
let lastKey = 0;

/** Imports a public key in JWK for one algorithm; 0 where it is none. */
exports.importKey = (algorithm, jwk) => {
  try {
    const wanted = ALGORITHMS.get(algorithm);
    const key = crypto.createPublicKey({ key: JSON.parse(jwk), format: 'jwk' });
    if (!fits(wanted, key)) return 0;
    const bits = key.asymmetricKeyDetails.modulusLength;
    keys.set(++lastKey, { hash: wanted.hash, key: { key, ...wanted.options }, length: bits && Math.ceil(bits / 8) });
    return lastKey;
  } catch {
    return 0;
  }
};

exports.verifySignature = (handle, message, signature) => {
  try {
    const { hash, key, length } = keys.get(handle);
    // OpenSSL takes a PSS signature without its leading zeros, too (RFC 8017 section 8.1.2, step 1, does not): one
    // token would have two texts.
    if (length !== undefined && signature.length !== length) return false;
    return crypto.verify(hash, message, key, signature) === true;
  } catch {
    return false;
  }
};

exports.dropKey = (handle) => {
  keys.delete(handle);
};
/** For a module that broke, and so drops none itself. */
exports.dropAllKeys = () => keys.clear();

exports.sha256 = (message) => crypto.createHash('sha256').update(message).digest();
exports.hmacSha256 = (key, message) => crypto.createHmac('sha256', key).update(message).digest();
