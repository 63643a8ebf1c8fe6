// Other spellings of the same bytes (RFC 4648, RFC 7515 section 2). What is changed in header or claims is
// signed as it stands.

import { otherLastBits } from './last_bits.js';
import { ALGORITHMS, encode } from '../keys.js';

export function spoilBase64({ add, keys, header, claims, signParts, signText, valid, withSignature }) {
  const ways = {
    padding: (text) => text + '='.repeat((4 - (text.length % 4)) % 4),
    'padding too much': (text) => `${text}====`,
    'tab inside': (text) => `${text.slice(0, 4)}\t${text.slice(4)}`,
    'space inside': (text) => `${text.slice(0, 4)} ${text.slice(4)}`,
    'line break inside': (text) => `${text.slice(0, 4)}\n${text.slice(4)}`,
    'tab at the end': (text) => `${text}\t`, 'NUL at the end': (text) => `${text}\0`,
    'one character more': (text) => `${text}A`,
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
