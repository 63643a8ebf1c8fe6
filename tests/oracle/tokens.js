// What the mutations are made with: a valid token in every part of which something can be replaced, and
// two sets of keys, of which the issuer publishes one.

import { ALGORITHMS, encode, makeKey, signature } from './keys.js';

/** Values of every type, for members that are of another one. */
export const STRANGE = {
  null: null, true: true, false: false, zero: 0, number: 7, 'empty text': '',
  'empty list': [], 'list of numbers': [7], object: {}, 'object with a text': { x: 'y' },
};

const makeKeys = () => Object.fromEntries(ALGORITHMS.map((alg) => [alg, makeKey(alg)]));

export function makeTokens({ now, issuer, audience }) {
  const keys = makeKeys();
  const strangers = makeKeys();
  const usualHeader = (key) => ({ alg: key.alg, typ: 'at+jwt', kid: key.kid });
  const usualClaims = {
    iss: issuer, aud: audience, exp: now + 300, iat: now - 10, nbf: now - 10,
    sub: 'somebody', client_id: 'some-client', jti: 'some-token', scope: 'read write',
  };
  // The texts that are signed. A member that is undefined is left out.
  const header = (changes = {}, key = keys.ES256) => JSON.stringify({ ...usualHeader(key), ...changes });
  const claims = (changes = {}) => JSON.stringify({ ...usualClaims, ...changes });
  // What a valid signature is over, and tokens that have one whatever their parts are.
  const parts = (key = keys.ES256) => `${encode(header({}, key))}.${encode(claims())}`;
  const signParts = (text, key = keys.ES256, how = {}) => `${text}.${encode(signature(key, text, how))}`;
  const signText = (head, body, key) => signParts(`${encode(head)}.${encode(body)}`, key);
  return {
    now, issuer, audience, keys, strangers, usualHeader, usualClaims, header, claims, parts, signParts, signText,
    valid: (key = keys.ES256) => signParts(parts(key), key),
    withClaims: (changes) => signText(header(), claims(changes)),
    withHeader: (changes, key = keys.ES256) => signText(header(changes, key), claims(), key),
    withSignature: (token, change) => {
      const [head, body, last] = token.split('.');
      return `${head}.${body}.${change(last)}`;
    },
  };
}
