// Everything that is done to a token before both sides are asked about it. A class groups what
// one part of a specification is about; a name says what was done.

import { ALGORITHMS, encode, hmac, makeKey, signature } from './keys.js';

const RANDOM_CHANGES = 400;

/** The key sets, and the cases: {class, name, token} with `set` where it is not the usual one. */
export function makeCases({ now, issuer, audience, seed }) {
  const keys = Object.fromEntries(ALGORITHMS.map((alg) => [alg, makeKey(alg)]));
  const strangers = Object.fromEntries(ALGORITHMS.map((alg) => [alg, makeKey(alg)]));
  const cases = [];
  const add = (group, name, token, set) => cases.push({ class: group, name, token, ...(set ? { set } : {}) });

  const usualHeader = (key) => ({ alg: key.alg, typ: 'at+jwt', kid: key.kid });
  const usualClaims = {
    iss: issuer, aud: audience, exp: now + 300, iat: now - 10, nbf: now - 10,
    sub: 'somebody', client_id: 'some-client', jti: 'some-token', scope: 'read write',
  };
  // A member that is undefined is left out.
  const header = (changes = {}, key = keys.ES256) => JSON.stringify({ ...usualHeader(key), ...changes });
  const claims = (changes = {}) => JSON.stringify({ ...usualClaims, ...changes });
  const signParts = (parts, key = keys.ES256, how = {}) => `${parts}.${encode(signature(key, parts, how))}`;
  const signText = (head, body, key) => signParts(`${encode(head)}.${encode(body)}`, key);
  const valid = (key = keys.ES256) => signText(header({}, key), claims(), key);
  const withClaims = (changes) => signText(header(), claims(changes));
  const withHeader = (changes, key = keys.ES256) => signText(header(changes, key), claims(), key);
  const withSignature = (token, change) => {
    const [head, body, last] = token.split('.');
    return `${head}.${body}.${change(last)}`;
  };

  // --- valid

  for (const alg of ALGORITHMS) add('valid', alg, valid(keys[alg]));
  add('valid', 'claims nobody knows', withClaims({ tenant: { id: 7 }, roles: ['x', 1, null], acr: 'urn:x' }));
  add('valid', 'only the required claims', withClaims({ nbf: undefined, scope: undefined }));

  // --- claims: missing, of another type, with another value

  const strange = {
    null: null, true: true, false: false, zero: 0, number: 7, 'empty text': '',
    'empty list': [], 'list of numbers': [7], object: {}, 'object with a text': { x: 'y' },
  };
  for (const claim of ['iss', 'aud', 'exp', 'nbf', 'iat', 'sub', 'client_id', 'jti', 'scope', 'groups', 'cnf']) {
    add(claim, 'missing', withClaims({ [claim]: undefined }));
    for (const [name, value] of Object.entries(strange)) add(claim, name, withClaims({ [claim]: value }));
    add(claim, 'list of texts', withClaims({ [claim]: ['x', 'y'] }));
    add(claim, 'name in capitals', withClaims({ [claim]: undefined, [claim.toUpperCase()]: usualClaims[claim] }));
  }
  for (const [name, value] of Object.entries({
    another: 'https://other.example', 'with a slash': `${issuer}/`, 'in capitals': issuer.toUpperCase(),
    'with a port': `${issuer}:443`, 'with http': issuer.replace('https', 'http'), 'with a space': `${issuer} `,
    'with a longer host': `${issuer}.evil.example`, 'as a list': [issuer], 'with a NUL': `${issuer}\0`,
  })) add('iss', name, withClaims({ iss: value }));
  for (const [name, value] of Object.entries({
    another: 'https://other.example', 'with a slash': `${audience}/`, 'in capitals': audience.toUpperCase(),
    'as a list': [audience], 'list with another first': ['https://other.example', audience],
    'list of others': ['x', 'y'], 'list with a number': [audience, 7], 'list with null': [null, audience],
    'list in a list': [[audience]], 'two in one text': `${audience} x`, 'text that begins so': `${audience}.evil`,
    'empty text in the list': ['', audience], 'same twice': [audience, audience],
  })) add('aud', name, withClaims({ aud: value }));
  const times = {
    'now': now, 'just within the tolerance': now - 4, 'a fraction within the tolerance': now - 4.5,
    'just at the tolerance': now - 5, 'just past the tolerance': now - 6, 'in the future': now + 3600,
    'just ahead within the tolerance': now + 4, 'ahead at the tolerance': now + 5,
    'a fraction ahead of the tolerance': now + 5.5, 'just ahead of the tolerance': now + 6,
    'as a text': String(now), negative: -1, 'far in the past': 1, 'in milliseconds': now * 1000, 'enormous': 1e300,
    'an ISO date': '2030-01-01T00:00:00Z',
  };
  for (const claim of ['exp', 'nbf', 'iat']) {
    for (const [name, value] of Object.entries(times)) add(claim, name, withClaims({ [claim]: value }));
    for (const [name, number] of [['too large for a number', '1e400'], ['with an exponent', '1.8e9'],
      ['negative zero', '-0'], ['with a plus sign', '+1800000000'], ['hexadecimal', '0x7fffffff'], ['NaN', 'NaN']]) {
      const body = claims({ [claim]: 'HERE' }).replace('"HERE"', number);
      add(claim, name, signText(header(), body));
    }
  }
  for (const claim of ['sub', 'client_id', 'jti']) {
    add(claim, 'a space', withClaims({ [claim]: ' ' }));
    add(claim, 'not ASCII', withClaims({ [claim]: 'jemand-ü-😀' }));
    add(claim, 'control characters', withClaims({ [claim]: 'a\0b\r\n' }));
    add(claim, 'very long', withClaims({ [claim]: 'x'.repeat(4000) }));
  }
  add('scope', 'many spaces', withClaims({ scope: '  read   write ' }));
  add('scope', 'mixed list', withClaims({ scope: ['read', 7] }));
  add('groups', 'mixed list', withClaims({ groups: ['staff', 7] }));
  add('groups', 'as a text', withClaims({ groups: 'staff' }));
  add('cnf', 'key of DPoP', withClaims({ cnf: { jkt: 'x'.repeat(43) } }));
  add('cnf', 'certificate', withClaims({ cnf: { 'x5t#S256': 'x'.repeat(43) } }));
  add('cnf', 'both', withClaims({ cnf: { jkt: 'x'.repeat(43), 'x5t#S256': 'x'.repeat(43) } }));
  add('cnf', 'method nobody knows', withClaims({ cnf: { 'new-method': 'x' } }));
  add('cnf', 'key of DPoP that is null', withClaims({ cnf: { jkt: null } }));

  // --- header

  for (const typ of ['at+jwt', 'AT+JWT', 'At+Jwt', 'application/at+jwt', 'APPLICATION/AT+JWT', 'Application/at+JWT',
    'JWT', 'jwt', 'at+JWT ', ' at+jwt', 'at+jwt; charset=utf-8', 'application/application/at+jwt', 'text/at+jwt',
    '/at+jwt', 'at jwt', 'id+jwt', 'dpop+jwt', 'logout+jwt', 'token-introspection+jwt', 'secevent+jwt', 'JOSE',
    'application/', 'at\u212Bjwt', 'at+\u0458wt', '']) add('typ', JSON.stringify(typ), withHeader({ typ }));
  add('typ', 'missing', withHeader({ typ: undefined }));
  for (const name of ['alg', 'typ', 'kid', 'cty', 'crit', 'b64']) {
    for (const [kind, value] of Object.entries(strange)) add('header types', `${name}: ${kind}`, withHeader({ [name]: value }));
    add('header types', `${name}: list of texts`, withHeader({ [name]: ['x', 'y'] }));
  }
  add('header types', 'cty: JWT', withHeader({ cty: 'JWT' }));
  add('header types', 'zip: DEF', withHeader({ zip: 'DEF' }));
  add('header types', 'enc: A256GCM', withHeader({ enc: 'A256GCM' }));

  for (const own of ALGORITHMS) {
    for (const alg of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'ES256K',
      'EdDSA', 'Ed25519', 'Ed448', 'HS256', 'HS384', 'HS512', 'ML-DSA-44', 'RSA-OAEP', 'dir']) {
      if (alg !== own) add('alg', `${own} key, alg ${alg}`, withHeader({ alg }, keys[own]));
    }
    for (const alg of [own.toLowerCase() === own ? own.toUpperCase() : own.toLowerCase(), ` ${own}`, `${own} `, `${own}\0`]) {
      add('alg', `${own} spelled ${JSON.stringify(alg)}`, withHeader({ alg }, keys[own]));
    }
  }
  add('alg', 'missing', withHeader({ alg: undefined }));
  // Signed as the other algorithm with the same RSA key.
  add('alg', 'PS256 of an RS256 key', signText(header({ alg: 'PS256' }, keys.RS256), claims(), { ...keys.RS256, alg: 'PS256' }));
  add('alg', 'RS256 of a PS256 key', signText(header({ alg: 'RS256' }, keys.PS256), claims(), { ...keys.PS256, alg: 'RS256' }));

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
    "x' OR 1=1 --", 'RS256-key', 'https://issuer.example/jwks', 'x'.repeat(3000), 'ES256-key\0', '__proto__', 'constructor',
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

  // --- JSON

  const twice = (text, member) => text.replace(/}$/, `,${member}}`);
  for (const [name, value] of Object.entries({ ...usualClaims, unknown: 1 })) {
    const good = JSON.stringify(value);
    const bad = typeof value === 'number' ? String(now - 9999) : '"wrong"';
    const once = name === 'unknown' ? claims({ unknown: 1 }) : claims();
    add('duplicate members', `${name}: same`, signText(header(), twice(once, `"${name}":${good}`)));
    add('duplicate members', `${name}: wrong first`, signText(header(), twice(claims({ [name]: JSON.parse(bad) }), `"${name}":${good}`)));
    add('duplicate members', `${name}: wrong last`, signText(header(), twice(once, `"${name}":${bad}`)));
  }
  for (const [name, value] of Object.entries(usualHeader(keys.ES256))) {
    add('duplicate members', `header ${name}: same`, signText(twice(header(), `"${name}":"${value}"`), claims()));
    add('duplicate members', `header ${name}: wrong first`, signText(twice(header({ [name]: 'none' }), `"${name}":"${value}"`), claims()));
    add('duplicate members', `header ${name}: wrong last`, signText(twice(header(), `"${name}":"none"`), claims()));
  }
  add('duplicate members', 'written with an escape', signText(header(), twice(claims(), `"\\u0069ss":"${issuer}"`)));
  add('duplicate members', 'deep inside', signText(header(), twice(claims(), '"x":{"y":1,"y":2}')));

  const nested = (depth) => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
  for (const [name, head, body] of [
    ['claims: text', header(), '"text"'], ['claims: list', header(), `[${claims()}]`], ['claims: null', header(), 'null'],
    ['claims: nothing', header(), ''], ['claims: cut off', header(), claims().slice(0, -1)],
    ['claims: comma at the end', header(), claims().replace(/}$/, ',}')],
    ['claims: something after it', header(), `${claims()}x`], ['claims: twice', header(), claims() + claims()],
    ['claims: comment', header(), `${claims()}/* */`], ['claims: single quotes', header(), claims().replaceAll('"', "'")],
    ['claims: white space around it', header(), ` \t\r\n${claims()}\n`], ['claims: NUL after it', header(), `${claims()}\0`],
    ['claims: byte order mark', header(), `\uFEFF${claims()}`], ['claims: form feed before it', header(), `\f${claims()}`],
    ['claims: UTF-16', header(), Buffer.from(claims(), 'utf16le')],
    ['claims: not UTF-8', header(), Buffer.from(claims({ x: 'HERE' }).replace('HERE', '\xff\xfe'), 'latin1')],
    ['claims: half a surrogate pair', header(), claims({ x: 'HERE' }).replace('HERE', '\\ud800')],
    ['claims: bare control character', header(), claims({ x: 'HERE' }).replace('HERE', '\u0001')],
    ['claims: __proto__', header(), twice(claims({ iss: undefined }), `"__proto__":{"iss":"${issuer}"}`)],
    ['claims: number with a leading zero', header(), twice(claims(), '"x":01')],
    ['claims: very many digits', header(), twice(claims(), `"x":${'9'.repeat(400)}`)],
    ['claims: nested 10 deep', header(), claims({ x: nested(10) })],
    ['claims: nested 40 deep', header(), claims({ x: nested(40) })],
    ['claims: 1000 values', header(), claims({ x: Array(1000).fill(0) })],
    ['claims: 3000 values', header(), claims({ x: Array(3000).fill(0) })],
    ['claims: 20 KiB', header(), claims({ x: 'x'.repeat(20_000) })],
    ['header: text', '"text"', claims()], ['header: list', `[${header()}]`, claims()], ['header: null', 'null', claims()],
    ['header: nothing', '', claims()], ['header: cut off', header().slice(0, -1), claims()],
    ['header: something after it', `${header()}x`, claims()], ['header: white space around it', ` ${header()}\n`, claims()],
    ['header: byte order mark', `\uFEFF${header()}`, claims()],
    ['header: not UTF-8', Buffer.from(header({ x: 'HERE' }).replace('HERE', '\xff\xfe'), 'latin1'), claims()],
    ['header: __proto__', `{"__proto__":${header()}}`, claims()],
    ['header: nested 20 deep', header({ x: nested(20) }), claims()],
    ['header: 100 values', header({ x: Array(100).fill(0) }), claims()],
  ]) add('JSON', name, signText(head, body));

  // --- base64url; what is changed in header or payload is signed as it stands

  const ways = {
    padding: (text) => text + '='.repeat((4 - (text.length % 4)) % 4), 'padding too much': (text) => `${text}====`,
    'tab inside': (text) => `${text.slice(0, 4)}\t${text.slice(4)}`, 'space inside': (text) => `${text.slice(0, 4)} ${text.slice(4)}`,
    'line break inside': (text) => `${text.slice(0, 4)}\n${text.slice(4)}`,
    'tab at the end': (text) => `${text}\t`, 'NUL at the end': (text) => `${text}\0`, 'one character more': (text) => `${text}A`,
    'percent encoding': (text) => `%${text.charCodeAt(0).toString(16)}${text.slice(1)}`,
    'tilde at the end': (text) => `${text}~`, 'dot at the end': (text) => `${text}.`,
    'other last bits': otherLastBits,
  };
  const headText = fitting((filler) => header({ x: `${filler}>>>???` }));
  const bodyText = fitting((filler) => claims({ x: `${filler}>>>???` }));
  for (const [name, change] of Object.entries(ways)) {
    add('base64', `header: ${name}`, signParts(`${change(encode(headText))}.${encode(bodyText)}`));
    add('base64', `claims: ${name}`, signParts(`${encode(headText)}.${change(encode(bodyText))}`));
    for (const alg of ALGORITHMS) add('base64', `signature: ${name}`, withSignature(valid(keys[alg]), change));
  }
  const otherAlphabet = (text) => text.replaceAll('-', '+').replaceAll('_', '/');
  add('base64', 'header: other alphabet', signParts(`${otherAlphabet(encode(headText))}.${encode(bodyText)}`));
  add('base64', 'claims: other alphabet', signParts(`${encode(headText)}.${otherAlphabet(encode(bodyText))}`));
  for (const alg of ALGORITHMS) {
    const signed = (jti) => signText(header({}, keys[alg]), claims({ jti: `token ${jti}` }), keys[alg]);
    const token = withFirst((jti) => withSignature(signed(jti), otherAlphabet), (token) => /[+/]/.test(token));
    add('base64', 'signature: other alphabet', token);
  }

  // --- signature

  for (const alg of ALGORITHMS) {
    const key = keys[alg];
    const bytes = Buffer.from(valid(key).split('.')[2], 'base64url');
    const flipped = Buffer.from(bytes);
    flipped[0] ^= 1;
    for (const [name, value] of Object.entries({
      'one byte less': bytes.subarray(0, -1), 'first byte missing': bytes.subarray(1), 'half of it': bytes.subarray(0, bytes.length / 2),
      'one byte more': Buffer.concat([bytes, Buffer.of(0)]), 'zero before it': Buffer.concat([Buffer.of(0), bytes]),
      'twice': Buffer.concat([bytes, bytes]), zeros: Buffer.alloc(bytes.length), ones: Buffer.alloc(bytes.length, 255),
      'one bit changed': flipped, 'one byte': Buffer.of(1), 'reversed': Buffer.from(bytes).reverse(),
    })) add('signature', `${alg}: ${name}`, withSignature(valid(key), () => encode(value)));
    add('signature', `${alg}: empty`, withSignature(valid(key), () => ''));
    add('signature', `${alg}: of other claims`, withSignature(valid(key), () => signText(header({}, key), claims({ sub: 'x' }), key).split('.')[2]));
    add('signature', `${alg}: of the payload alone`, withSignature(valid(key), () => encode(signature(key, encode(claims())))));
    add('signature', `${alg}: of the decoded parts`, withSignature(valid(key), () => encode(signature(key, `${header({}, key)}.${claims()}`))));
  }
  const parts = (key) => `${encode(header({}, key))}.${encode(claims())}`;
  add('signature', 'ES256: DER', signParts(parts(keys.ES256), keys.ES256, { dsaEncoding: 'der' }));
  add('signature', 'ES256: SHA-384', signParts(parts(keys.ES256), keys.ES256, { digest: 'sha384' }));
  add('signature', 'ES256: s negated', withSignature(valid(), (text) => encode(negateS(Buffer.from(text, 'base64url')))));
  add('signature', 'ES256: r and s swapped', withSignature(valid(), (text) => {
    const bytes = Buffer.from(text, 'base64url');
    return encode(Buffer.concat([bytes.subarray(32), bytes.subarray(0, 32)]));
  }));
  add('signature', 'ES256: r and s are the order', withSignature(valid(), () => encode(Buffer.concat([toBytes(ORDER), toBytes(ORDER)]))));
  add('signature', 'ES256: s plus the order', withSignature(valid(), (text) => {
    const bytes = Buffer.from(text, 'base64url');
    const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`) + ORDER;
    return encode(Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(66, '0'), 'hex')]));
  }));
  add('signature', 'Ed25519: s plus the order', withSignature(valid(keys.Ed25519), (text) => encode(addEd25519Order(Buffer.from(text, 'base64url')))));
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

  // --- HMAC with what everybody knows

  for (const alg of ALGORITHMS) {
    const { jwk, publicKey } = keys[alg];
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    const secrets = {
      'public key as PEM': pem, 'PEM without the last line break': pem.trimEnd(), DER: publicKey.export({ type: 'spki', format: 'der' }),
      JWK: JSON.stringify(jwk), 'first number of the key': Buffer.from(jwk.n ?? jwk.x, 'base64url'), 'kid': jwk.kid, nothing: '',
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

  // --- other serializations, and what stands around the token

  {
    const [head, body, last] = valid().split('.');
    const flat = JSON.stringify({ protected: head, payload: body, signature: last });
    const general = JSON.stringify({ payload: body, signatures: [{ protected: head, signature: last }] });
    for (const [name, token] of Object.entries({
      'flattened JSON': flat, 'general JSON': general, 'JSON, encoded': encode(flat), 'JSON in three parts': `${flat}..`,
      'one part': head, 'two parts': `${head}.${body}`, 'four parts': `${valid()}.x`, 'four parts, last empty': `${valid()}.`,
      'five parts': `${head}.${body}.${last}.x.y`, 'empty part first': `.${valid()}`, 'empty header': `.${body}.${last}`,
      'only dots': '..', nothing: '', 'two tokens': `${valid()},${valid()}`, 'in quotes': `"${valid()}"`, 'with its scheme': `Bearer ${valid()}`,
      'other separator': valid().replaceAll('.', ':'), 'token in a token': signParts(`${encode(header({ cty: 'JWT' }))}.${encode(valid())}`),
      'JWE header': signText(header({ alg: 'RSA-OAEP', enc: 'A256GCM' }), claims()),
    })) add('serialization', name, token);
  }
  for (const [name, space] of Object.entries({
    space: ' ', tab: '\t', 'line break': '\n', 'carriage return': '\r\n', 'form feed': '\f', 'vertical tab': '\v', NUL: '\0',
    'no-break space': '\u00a0', 'em space': '\u2003', 'zero-width space': '\u200b', 'byte order mark': '\ufeff',
  })) {
    add('white space', `${name} before`, `${space}${valid()}`);
    add('white space', `${name} after`, `${valid()}${space}`);
    add('white space', `${name} before a dot`, valid().replace('.', `${space}.`));
    add('white space', `${name} after a dot`, valid().replace('.', `.${space}`));
    add('white space', `${name} in the signature`, withSignature(valid(), (text) => `${text.slice(0, 8)}${space}${text.slice(8)}`));
  }

  // --- the key set

  const usual = Object.values(keys).map((key) => key.jwk);
  const sets = { usual: { keys: usual }, twice: { keys: [...usual, ...Object.values(strangers).map(({ jwk }) => ({ ...jwk, kid: `second ${jwk.kid}` }))] } };
  const otherSet = (name, alg, changes) => {
    sets[name] = { keys: [JSON.parse(JSON.stringify({ ...keys[alg].jwk, ...changes }))] };
    add('key set', name, valid(keys[alg]), name);
  };
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
  sets['RS256: EdDSA key beside it'] = { keys: [keys.RS256.jwk, { ...keys.Ed25519.jwk, alg: 'EdDSA' }] };
  add('key set', 'EdDSA key, alg EdDSA', withHeader({ alg: 'EdDSA' }, keys.Ed25519), 'RS256: EdDSA key beside it');
  otherSet('ES256: on another curve', 'ES256', { crv: 'P-384' });
  otherSet('ES256: point off the curve', 'ES256', { x: keys.Ed25519.jwk.x });
  sets['same kid twice'] = { keys: [keys.ES256.jwk, strangers.ES256.jwk] };
  add('key set', 'same kid twice', valid(), 'same kid twice');
  sets['same kid, other type'] = { keys: [keys.ES256.jwk, { ...keys.RS256.jwk, kid: keys.ES256.kid }] };
  add('key set', 'same kid, other type', valid(), 'same kid, other type');
  sets['key for encryption beside it'] = { keys: [keys.ES256.jwk, { ...strangers.ES256.jwk, use: 'enc' }] };
  add('key set', 'key for encryption beside it', valid(), 'key for encryption beside it');
  sets['type nobody knows beside it'] = { keys: [{ kty: 'new', kid: 'x' }, keys.ES256.jwk] };
  add('key set', 'type nobody knows beside it', valid(), 'type nobody knows beside it');
  sets['secret beside it'] = { keys: [{ kty: 'oct', k: encode('x'.repeat(32)), kid: 'x' }, keys.ES256.jwk] };
  add('key set', 'secret beside it', valid(), 'secret beside it');
  sets.empty = { keys: [] };
  add('key set', 'empty', valid(), 'empty');

  // --- at random

  const random = mulberry32(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  for (let count = 0; count < RANDOM_CHANGES; count += 1) {
    const token = valid(keys[ALGORITHMS[count % ALGORITHMS.length]]);
    const at = Math.floor(random() * token.length);
    const character = String.fromCharCode(33 + Math.floor(random() * 94));
    const changed = pick([
      () => token.slice(0, at) + character + token.slice(at + 1),
      () => token.slice(0, at) + character + token.slice(at),
      () => token.slice(0, at) + token.slice(at + 1),
      () => token.slice(0, at) + token[at + 1] + token[at] + token.slice(at + 2),
      () => flipBit(token, random),
    ])();
    if (changed !== token) add('at random', sameBytes(token, changed) ? 'same bytes in another base64' : 'other bytes', changed);
  }
  // So that there is one of these in every run.
  add('at random', 'same bytes in another base64', withSignature(valid(), otherLastBits));

  return { sets, cases };
}

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const toBytes = (number, length = 32) => Buffer.from(number.toString(16).padStart(length * 2, '0'), 'hex');

/** The other signature that ECDSA gives for each one. */
function negateS(bytes) {
  const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  return Buffer.concat([bytes.subarray(0, 32), toBytes(ORDER - s)]);
}

/** What RFC 8032 section 5.1.7 has a verifier refuse. */
function addEd25519Order(bytes) {
  const s = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString('hex')}`);
  return Buffer.concat([bytes.subarray(0, 32), toBytes(s + ED25519_ORDER).reverse()]);
}

/** The same bytes, with the bits of the last character changed that stand for nothing. */
function otherLastBits(text) {
  const unused = { 2: 4, 3: 2 }[text.length % 4] ?? 0;
  if (!unused) return text;
  return text.slice(0, -1) + ALPHABET[ALPHABET.indexOf(text.at(-1)) | ((1 << unused) - 1)];
}

/** A text whose base64url has - and _ and leaves bits unused, so that there is something to spoil. */
function fitting(make) {
  return withFirst((length) => make('x'.repeat(length)), (text) => {
    const encoded = encode(text);
    return /[-_]/.test(encoded) && encoded.length % 4 === 2;
  });
}

function withFirst(make, good) {
  for (let count = 0; count < 100; count += 1) {
    const made = make(count);
    if (good(made)) return made;
  }
  throw new Error('none is good');
}

function flipBit(token, random) {
  const parts = token.split('.');
  const which = Math.floor(random() * 3);
  const bytes = Buffer.from(parts[which], 'base64url');
  bytes[Math.floor(random() * bytes.length)] ^= 1 << Math.floor(random() * 8);
  parts[which] = encode(bytes);
  return parts.join('.');
}

/** Whether only the spelling of the signature differs; header and payload are signed as spelled. */
function sameBytes(token, changed) {
  const cut = token.lastIndexOf('.');
  const plain = (text) => Buffer.from(text.slice(cut + 1).replace(/\s/g, ''), 'base64');
  return changed.slice(0, cut + 1) === token.slice(0, cut + 1)
    && /^[\w+/-]+$/.test(changed.slice(cut + 1)) && changed.length === token.length && plain(token).equals(plain(changed));
}

/** A small generator of random numbers that can be seeded. */
function mulberry32(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
