// Headers: types of tokens, algorithms, extensions, and keys that the token itself brings (RFC 7515 section 4).

import { ALGORITHMS, encode } from '../keys.js';
import { STRANGE } from '../tokens.js';

export function spoilHeader({
  add, now, keys, strangers, header, claims, signParts, signText, valid, withClaims, withHeader,
}) {
  for (const typ of ['at+jwt', 'AT+JWT', 'At+Jwt', 'application/at+jwt', 'APPLICATION/AT+JWT', 'Application/at+JWT',
    'JWT', 'jwt', 'at+JWT ', ' at+jwt', 'at+jwt; charset=utf-8', 'application/application/at+jwt', 'text/at+jwt',
    '/at+jwt', 'at jwt', 'id+jwt', 'dpop+jwt', 'logout+jwt', 'token-introspection+jwt', 'secevent+jwt', 'JOSE',
    'application/', 'at\u212Bjwt', 'at+\u0458wt', '']) add('typ', JSON.stringify(typ), withHeader({ typ }));
  add('typ', 'missing', withHeader({ typ: undefined }));
  for (const name of ['alg', 'typ', 'kid', 'cty', 'crit', 'b64']) {
    for (const [kind, value] of Object.entries({ ...STRANGE, 'list of texts': ['x', 'y'] })) {
      add('header types', `${name}: ${kind}`, withHeader({ [name]: value }));
    }
  }
  add('header types', 'cty: JWT', withHeader({ cty: 'JWT' }));
  add('header types', 'zip: DEF', withHeader({ zip: 'DEF' }));
  add('header types', 'enc: A256GCM', withHeader({ enc: 'A256GCM' }));

  for (const own of ALGORITHMS) {
    for (const alg of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'ES256K',
      'EdDSA', 'Ed25519', 'Ed448', 'HS256', 'HS384', 'HS512', 'ML-DSA-44', 'RSA-OAEP', 'dir']) {
      if (alg !== own) add('alg', `${own} key, alg ${alg}`, withHeader({ alg }, keys[own]));
    }
    for (const alg of [own.toLowerCase(), ` ${own}`, `${own} `, `${own}\0`]) {
      add('alg', `${own} spelled ${JSON.stringify(alg)}`, withHeader({ alg }, keys[own]));
    }
  }
  add('alg', 'missing', withHeader({ alg: undefined }));
  // Signed as the other algorithm with the same RSA key.
  for (const [own, alg] of [['RS256', 'PS256'], ['PS256', 'RS256']]) {
    add('alg', `${alg} of a key for ${own}`, signText(header({ alg }, keys[own]), claims(), { ...keys[own], alg }));
  }

  for (const alg of ['none', 'None', 'NONE', 'nOnE', 'none ', ' none', 'n\u043Ene', 'none\0', '']) {
    const parts = `${encode(header({ alg }))}.${encode(claims())}`;
    add('none', `${JSON.stringify(alg)} without a signature`, `${parts}.`);
    add('none', `${JSON.stringify(alg)} with a good signature`, signParts(parts));
    add('none', `${JSON.stringify(alg)} in two parts`, parts);
  }

  add('crit', 'exp', withHeader({ crit: ['exp'], exp: now }));
  add('crit', 'alg', withHeader({ crit: ['alg'] }));
  add('crit', 'extension nobody knows', withHeader({ crit: ['x-new'], 'x-new': true }));
  add('crit', 'extension that is not there', withHeader({ crit: ['x-new'] }));
  add('crit', 'same twice', withHeader({ crit: ['x', 'x'], x: 1 }));
  add('crit', 'in capitals', withHeader({ CRIT: ['x-new'] }));
  add('crit', 'as a claim', withClaims({ crit: ['x-new'] }));
  for (const b64 of [true, false]) {
    add('b64', `${b64}, without crit`, withHeader({ b64 }));
    add('b64', `${b64}, in crit`, withHeader({ b64, crit: ['b64'] }));
  }
  add('b64', 'payload not encoded', signParts(`${encode(header({ b64: false, crit: ['b64'] }))}.${claims()}`));
  add('b64', 'payload not encoded, without crit', signParts(`${encode(header({ b64: false }))}.${claims()}`));
  add('b64', 'payload detached', (() => {
    const [head, , last] = valid().split('.');
    return `${head}..${last}`;
  })());

  for (const kid of ['unknown', '', ' ', 'ES256-key ', 'es256-KEY', '../../dev/null', '/dev/null', '|sleep 10',
    "x' OR 1=1 --", 'RS256-key', 'https://issuer.example/jwks', 'x'.repeat(3000), 'ES256-key\0', '__proto__',
    'constructor',
  ]) add('kid', kid.length > 100 ? 'very long' : JSON.stringify(kid), withHeader({ kid }));
  for (const alg of ALGORITHMS) {
    add('kid', `${alg}: missing, one key fits`, withHeader({ kid: undefined }, keys[alg]));
    add('kid', `${alg}: missing, two keys fit`, withHeader({ kid: undefined }, keys[alg]), 'twice');
    add('kid', `${alg}: missing, signed by a stranger`, withHeader({ kid: undefined }, { ...strangers[alg] }));
  }

  const own = strangers.ES256;
  const references = {
    jku: 'https://evil.example/jwks.json', jwk: own.jwk, x5u: 'https://evil.example/cert.pem', x5c: ['MIIB'],
    x5t: 'x'.repeat(27), 'x5t#S256': 'x'.repeat(43),
  };
  for (const [member, value] of Object.entries(references)) {
    add('key in the header', `${member}, signed by the issuer`, withHeader({ [member]: value }));
    add('key in the header', `${member}, signed by a stranger`, withHeader({ [member]: value }, own));
    add('key in the header', `${member}, no kid`, withHeader({ [member]: value, kid: undefined }, own));
    add('key in the header', `${member}, its own kid`, withHeader({ [member]: value, kid: 'mine' }, own));
  }
}
