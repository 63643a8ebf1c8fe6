// A second opinion on access tokens: makes tokens, valid and spoilt, and prints what oauth4webapi
// says of each, for tests/e2e/test_token_oracle.py to compare with Portcullis.
//
//   node oracle.js [SEED]
//
// Prints one JSON document: {"seed", "now", "issuer", "audience", "sets": {name: JWKS}, "tokens":
// [{"class", "name", "token", "set", "accepted", "why"}]}. Keys are new in every run; SEED, in hex,
// repeats what is done to the tokens at random.

import { randomBytes } from 'node:crypto';
import { makeCases } from './mutations.js';

const NOW = 1_800_000_000;
const ISSUER = 'https://issuer.example';
const AUDIENCE = 'https://api.example';

// Both sides judge at the same time: a clock that stands still cannot be off by a second.
Date.now = () => NOW * 1000;
// Newer versions of Node.js have this, and oauth4webapi decodes a little differently with it.
delete Uint8Array.fromBase64;
const oauth = await import('oauth4webapi');

const seed = process.argv[2] ?? randomBytes(4).toString('hex');
const { sets, cases } = makeCases({ now: NOW, issuer: ISSUER, audience: AUDIENCE, seed: Number.parseInt(seed, 16) });

// One object for each set: oauth4webapi keeps the keys of an issuer by the identity of its metadata.
const servers = Object.fromEntries(Object.keys(sets).map(
  (set) => [set, { issuer: ISSUER, jwks_uri: `${ISSUER}/${set}` }],
));

const tokens = [];
for (const spoilt of cases) {
  tokens.push({ ...spoilt, ...(await opinion(spoilt)) });
}
console.log(JSON.stringify({ seed, now: NOW, issuer: ISSUER, audience: AUDIENCE, sets, tokens }));

async function opinion({ token, set }) {
  try {
    const request = new Request(AUDIENCE, { headers: { authorization: `Bearer ${token}` } });
    await oauth.validateJwtAccessToken(servers[set], request, AUDIENCE, {
      [oauth.clockTolerance]: 5,
      [oauth.customFetch]: async () => Response.json(sets[set]),
    });
    return { accepted: true, why: null };
  } catch (error) {
    return { accepted: false, why: `${error.name}: ${error.message}` };
  }
}
