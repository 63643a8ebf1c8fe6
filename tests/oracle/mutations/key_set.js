// Key sets that leave open which key is meant, or whether it is meant for this (RFC 7517).

import { ALGORITHMS, encode } from '../keys.js';

export function spoilKeySet({ add, addSet, keys, strangers, valid, withHeader }) {
  const inSet = (name, set, token = valid()) => {
    addSet(name, set);
    add('key set', name, token, name);
  };
  const otherSet = (name, alg, changes) => inSet(name, [{ ...keys[alg].jwk, ...changes }], valid(keys[alg]));
  for (const alg of ALGORITHMS) {
    otherSet(`${alg}: without alg`, alg, { alg: undefined });
    otherSet(`${alg}: without use`, alg, { use: undefined });
    otherSet(`${alg}: for encryption`, alg, { use: 'enc' });
    otherSet(`${alg}: only to sign`, alg, { key_ops: ['sign'] });
    otherSet(`${alg}: to verify`, alg, { use: undefined, key_ops: ['verify'] });
    otherSet(`${alg}: without kid`, alg, { kid: undefined });
    otherSet(`${alg}: for another algorithm`, alg, { alg: 'ES384' });
    otherSet(`${alg}: of another type`, alg, { kty: 'oct' });
    otherSet(`${alg}: with its private part`, alg, keys[alg].privateKey.export({ format: 'jwk' }));
  }
  otherSet('Ed25519: called EdDSA', 'Ed25519', { alg: 'EdDSA' });
  const old = withHeader({ alg: 'EdDSA' }, keys.Ed25519);
  inSet('Ed25519: both called EdDSA', [{ ...keys.Ed25519.jwk, alg: 'EdDSA' }], old);
  inSet('Ed25519: alg EdDSA, key without alg', [{ ...keys.Ed25519.jwk, alg: undefined }], old);
  otherSet('ES256: on another curve', 'ES256', { crv: 'P-384' });
  otherSet('ES256: point off the curve', 'ES256', { x: keys.Ed25519.jwk.x });
  inSet('same kid twice', [keys.ES256.jwk, strangers.ES256.jwk]);
  inSet('same kid, other type', [keys.ES256.jwk, { ...keys.RS256.jwk, kid: keys.ES256.kid }]);
  inSet('key for encryption beside it', [keys.ES256.jwk, { ...strangers.ES256.jwk, use: 'enc' }]);
  inSet('type nobody knows beside it', [{ kty: 'new', kid: 'x' }, keys.ES256.jwk]);
  inSet('secret beside it', [{ kty: 'oct', k: encode('x'.repeat(32)), kid: 'x' }, keys.ES256.jwk]);
  inSet('empty', []);
}
