// Everything that is done to a token before both sides are asked about it. A class groups what one part
// of a specification is about; a name says what was done.

import { spoilBase64 } from './mutations/base64.js';
import { spoilClaims } from './mutations/claims.js';
import { spoilHeader } from './mutations/header.js';
import { spoilJson } from './mutations/json.js';
import { spoilKeySet } from './mutations/key_set.js';
import { spoilAtRandom } from './mutations/random.js';
import { spoilSerialization } from './mutations/serialization.js';
import { spoilSignature } from './mutations/signature.js';
import { makeTokens } from './tokens.js';

const SPOILERS = [
  spoilClaims, spoilHeader, spoilJson, spoilBase64, spoilSignature, spoilSerialization, spoilKeySet, spoilAtRandom,
];

/** The key sets by name, and the cases: {class, name, token, set}. */
export function makeCases({ seed, ...setting }) {
  const tokens = makeTokens(setting);
  const published = Object.values(tokens.keys).map((key) => key.jwk);
  const unknown = Object.values(tokens.strangers).map(({ jwk }) => ({ ...jwk, kid: `second ${jwk.kid}` }));
  const sets = { usual: { keys: published }, twice: { keys: [...published, ...unknown] } };
  const cases = [];
  const spoiling = {
    ...tokens,
    random: mulberry32(seed),
    add: (group, name, token, set = 'usual') => cases.push({ class: group, name, token, set }),
    addSet: (name, keys) => {
      sets[name] = { keys };
    },
  };
  for (const spoil of SPOILERS) spoil(spoiling);
  return { sets, cases };
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
