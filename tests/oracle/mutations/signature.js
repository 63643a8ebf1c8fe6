// Signatures by the wrong key, over something else, or written in another way (RFC 7518 section 3).

import { ALGORITHMS, encode, hmac, signature } from '../keys.js';

export function spoilSignature({
  add, keys, strangers, header, claims, parts, signParts, signText, valid, withHeader, withSignature,
}) {
  const withBytes = (token, change) => withSignature(token, (text) => encode(change(Buffer.from(text, 'base64url'))));
  const changes = {
    'one byte less': (bytes) => bytes.subarray(0, -1),
    'first byte missing': (bytes) => bytes.subarray(1),
    'half of it': (bytes) => bytes.subarray(0, bytes.length / 2),
    'one byte more': (bytes) => Buffer.concat([bytes, Buffer.of(0)]),
    'zero before it': (bytes) => Buffer.concat([Buffer.of(0), bytes]),
    twice: (bytes) => Buffer.concat([bytes, bytes]),
    zeros: (bytes) => Buffer.alloc(bytes.length),
    ones: (bytes) => Buffer.alloc(bytes.length, 255),
    'one bit changed': (bytes) => Buffer.concat([Buffer.of(bytes[0] ^ 1), bytes.subarray(1)]),
    'one byte': () => Buffer.of(1),
    empty: () => '',
    reversed: (bytes) => Buffer.from(bytes).reverse(),
  };
  for (const alg of ALGORITHMS) {
    const key = keys[alg];
    const token = withoutLeadingZero({ keys, header, claims, signText }, alg);
    for (const [name, change] of Object.entries(changes)) {
      add('signature', `${alg}: ${name}`, withBytes(token, change));
    }
    for (const [name, text] of Object.entries({
      'other claims': `${encode(header({}, key))}.${encode(claims({ sub: 'x' }))}`,
      'the payload alone': encode(claims()),
      'the decoded parts': `${header({}, key)}.${claims()}`,
    })) add('signature', `${alg}: of ${name}`, withBytes(valid(key), () => signature(key, text)));
  }
  add('signature', 'ES256: DER', signParts(parts(keys.ES256), keys.ES256, { dsaEncoding: 'der' }));
  add('signature', 'ES256: SHA-384', signParts(parts(keys.ES256), keys.ES256, { digest: 'sha384' }));
  for (const [name, change] of Object.entries({
    's negated': (r, s) => [r, toBytes(ORDER - toNumber(s))],
    's plus the order': (r, s) => [r, toBytes(ORDER + toNumber(s), 33)],
    'r and s swapped': (r, s) => [s, r],
    'r and s are the order': () => [toBytes(ORDER), toBytes(ORDER)],
    'r and s are one': () => [toBytes(1n), toBytes(1n)],
  })) {
    const apart = (bytes) => Buffer.concat(change(bytes.subarray(0, 32), bytes.subarray(32)));
    add('signature', `ES256: ${name}`, withBytes(valid(), apart));
  }
  add('signature', 'Ed25519: s plus the order', withBytes(valid(keys.Ed25519), addEd25519Order));
  add('signature', 'RS256: SHA-1', signParts(parts(keys.RS256), keys.RS256, { digest: 'sha1' }));
  add('signature', 'RS256: SHA-512', signParts(parts(keys.RS256), keys.RS256, { digest: 'sha512' }));
  add('signature', 'RS256: PSS', signParts(parts(keys.RS256), { ...keys.RS256, alg: 'PS256' }));
  add('signature', 'PS256: PKCS #1 v1.5', signParts(parts(keys.PS256), { ...keys.PS256, alg: 'RS256' }));
  for (const saltLength of [0, 20, 64, 222]) {
    add('signature', `PS256: salt of ${saltLength} bytes`, signParts(parts(keys.PS256), keys.PS256, { saltLength }));
  }

  for (const alg of ALGORITHMS) {
    add('wrong key', `${alg}, same kid`, valid(strangers[alg]));
    const other = ALGORITHMS.find((name) => name !== alg);
    add('wrong key', `${alg}, another key of the issuer`, withHeader({ kid: keys[other].kid }, keys[alg]));
  }

  for (const alg of ALGORITHMS) {
    const { jwk, publicKey } = keys[alg];
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    const secrets = {
      'public key as PEM': pem,
      'PEM without the last line break': pem.trimEnd(),
      DER: publicKey.export({ type: 'spki', format: 'der' }),
      JWK: JSON.stringify(jwk),
      'first number of the key': Buffer.from(jwk.n ?? jwk.x, 'base64url'),
      kid: jwk.kid,
      nothing: '',
    };
    for (const [name, secret] of Object.entries(secrets)) {
      for (const hs of ['HS256', 'HS384', 'HS512']) {
        const text = `${encode(header({ alg: hs }, keys[alg]))}.${encode(claims())}`;
        add('HMAC', `${hs} with ${alg}: ${name}`, `${text}.${encode(hmac(secret, text, `sha${hs.slice(2)}`))}`);
      }
      const text = parts(keys[alg]);
      add('HMAC', `called ${alg}: ${name}`, `${text}.${encode(hmac(secret, text))}`);
    }
  }
}

/**
 * A valid token whose signature begins with another byte than zero. RFC 8017 section 8.1.2 has a signature as long
 * as the modulus; Node.js takes one from which a leading zero is missing, so it would be luck what 'first byte
 * missing' stands for.
 */
function withoutLeadingZero({ keys, header, claims, signText }, alg) {
  for (let count = 0; count < 100; count += 1) {
    const token = signText(header({}, keys[alg]), claims({ jti: `token ${count}` }), keys[alg]);
    if (Buffer.from(token.split('.')[2], 'base64url')[0] !== 0) return token;
  }
  throw new Error('every signature begins with zero');
}

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

const toBytes = (number, length = 32) => Buffer.from(number.toString(16).padStart(length * 2, '0'), 'hex');
const toNumber = (bytes) => BigInt(`0x${bytes.toString('hex')}`);

/** What RFC 8032 section 5.1.7 has a verifier refuse. */
function addEd25519Order(bytes) {
  const s = toNumber(Buffer.from(bytes.subarray(32)).reverse());
  return Buffer.concat([bytes.subarray(0, 32), toBytes(s + ED25519_ORDER).reverse()]);
}
