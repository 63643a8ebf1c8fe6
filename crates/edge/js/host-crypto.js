'use strict';

// Signatures and digests for the WebAssembly module, by node:crypto.

const crypto = require('node:crypto');

const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING } = crypto.constants;
/** How each algorithm of RFC 7518 section 3.1 is verified: the digest, and what goes with the key. */
const pkcs1 = (hash) => ({ hash, options: { padding: RSA_PKCS1_PADDING } });
const pss = (hash, saltLength) => ({ hash, options: { padding: RSA_PKCS1_PSS_PADDING, saltLength } });
const ecdsa = (hash) => ({ hash, options: { dsaEncoding: 'ieee-p1363' } });
const eddsa = { hash: null, options: {} };
const ALGORITHMS = {
  RS256: pkcs1('sha256'), RS384: pkcs1('sha384'), RS512: pkcs1('sha512'),
  PS256: pss('sha256', 32), PS384: pss('sha384', 48), PS512: pss('sha512', 64),
  ES256: ecdsa('sha256'), ES384: ecdsa('sha384'), ES512: ecdsa('sha512'), ES256K: ecdsa('sha256'),
  EdDSA: eddsa, Ed25519: eddsa,
};

const keys = new Map();
let lastKey = 0;

/** Imports a public key in JWK for one algorithm; 0 where it is none. */
exports.importKey = (algorithm, jwk) => {
  try {
    const { hash, options } = ALGORITHMS[algorithm];
    const key = crypto.createPublicKey({ key: JSON.parse(jwk), format: 'jwk' });
    keys.set(++lastKey, { hash, key: { key, ...options } });
    return lastKey;
  } catch {
    return 0;
  }
};

exports.verifySignature = (handle, message, signature) => {
  try {
    const { hash, key } = keys.get(handle);
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
