'use strict';
// What the signature primitives of the edge package (host-crypto.js) say of signatures.
//
//   node tests/e2e/signature_verdicts.js PATH/host-crypto.js < questions.json
//
// Reads a list of {alg, jwk, message, signature} with message and signature in base64, and prints a list of verdicts:
// "key" where the key is refused, else true or false.

const fs = require('node:fs');
const path = require('node:path');

const { importKey, verifySignature, dropKey } = require(path.resolve(process.argv[2]));

function verdict({ alg, jwk, message, signature }) {
  const key = importKey(alg, JSON.stringify(jwk));
  if (key === 0) return 'key';
  const check = () => verifySignature(key, Buffer.from(message, 'base64'), Buffer.from(signature, 'base64'));
  const verdict = check();
  dropKey(key);
  // A key that was dropped is none.
  if (check()) throw new Error('a dropped key verifies');
  return verdict;
}

process.stdout.write(JSON.stringify(JSON.parse(fs.readFileSync(0, 'utf8')).map(verdict)));
