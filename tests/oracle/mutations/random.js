// Changes at random places, which a seed repeats.

import { otherLastBits } from './last_bits.js';
import { ALGORITHMS, encode } from '../keys.js';

const CHANGES = 400;

export function spoilAtRandom({ add, keys, valid, withSignature, random }) {
  const pick = (list) => list[Math.floor(random() * list.length)];
  for (let count = 0; count < CHANGES; count += 1) {
    const token = valid(keys[ALGORITHMS[count % ALGORITHMS.length]]);
    const at = Math.floor(random() * token.length);
    const character = String.fromCharCode(33 + Math.floor(random() * 94));
    const changed = pick([
      () => token.slice(0, at) + character + token.slice(at + 1),
      () => token.slice(0, at) + character + token.slice(at),
      () => token.slice(0, at) + token.slice(at + 1),
      () => token.slice(0, at) + (token[at + 1] ?? '') + token[at] + token.slice(at + 2),
      () => flipBit(token, random),
    ])();
    const name = sameBytes(token, changed) ? 'same bytes in another base64' : 'other bytes';
    if (changed !== token) add('at random', name, changed);
  }
  // So that there is one of these in every run.
  add('at random', 'same bytes in another base64', withSignature(valid(), otherLastBits));
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
  const [before, after] = [token, changed].map((text) => text.slice(cut + 1));
  return changed.slice(0, cut + 1) === token.slice(0, cut + 1) && after.length === before.length
    && /^[\w+/-]+$/.test(after) && Buffer.from(after, 'base64').equals(Buffer.from(before, 'base64'));
}
