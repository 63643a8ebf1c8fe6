// Signing keys, and signatures over any text with any of them: the mutations need tokens that no
// library would make.

import { constants, createHmac, generateKeyPairSync, sign } from 'node:crypto';

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
const KINDS = {
  RS256: { type: 'rsa', options: { modulusLength: 2048 }, digest: 'sha256' },
  PS256: { type: 'rsa', options: { modulusLength: 2048 }, digest: 'sha256', how: PSS },
  ES256: { type: 'ec', options: { namedCurve: 'P-256' }, digest: 'sha256', how: { dsaEncoding: 'ieee-p1363' } },
  Ed25519: { type: 'ed25519' },
};
export const ALGORITHMS = Object.keys(KINDS);

/** A key pair that is used with one algorithm. */
export function makeKey(alg, kid = `${alg}-key`) {
  const { type, options } = KINDS[alg];
  const { privateKey, publicKey } = generateKeyPairSync(type, options);
  return { alg, kid, privateKey, publicKey, jwk: { ...publicKey.export({ format: 'jwk' }), alg, use: 'sig', kid } };
}

/** Signs as the key's algorithm does, but for what `how` says otherwise. */
export function signature(key, text, how = {}) {
  const { digest = null, how: usual } = KINDS[key.alg];
  return sign(how.digest ?? digest, Buffer.from(text), { key: key.privateKey, ...usual, ...how });
}

export const hmac = (secret, text, digest = 'sha256') => createHmac(digest, secret).update(text).digest();
export const encode = (data) => Buffer.from(data).toString('base64url');
