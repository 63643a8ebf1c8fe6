// aws-jwt-verify as a contestant of portcullis-bench: one JSON document a line, in and out.
//
// The first line holds issuer, audience, JWKS and the tokens of each algorithm, and is answered with
// the versions. Every other line asks for a round, and is answered with its nanoseconds per token.
// The JWKS is given, so nothing is ever fetched.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { JwtVerifier } from "aws-jwt-verify";

const manifest = new URL("node_modules/aws-jwt-verify/package.json", import.meta.url);
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

function round(verifier, tokens, operations) {
  let granted = 0;
  const started = process.hrtime.bigint();
  for (let at = 0; at < operations; at += 1) {
    granted += verifier.verifySync(tokens[at % tokens.length]).scope.length;
  }
  const elapsed = process.hrtime.bigint() - started;
  if (granted === 0) throw new Error("the tokens were not read");
  return Number(elapsed) / operations;
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { issuer, audience, jwks, tokens } = JSON.parse((await lines.next()).value);
const verifier = JwtVerifier.create({ issuer, audience, scope: null, graceSeconds: 5 });
verifier.cacheJwks(jwks);
answer({ node: process.version, version: JSON.parse(readFileSync(manifest, "utf8")).version });

for await (const line of lines) {
  const { algorithm, operations } = JSON.parse(line);
  answer({ nanoseconds: round(verifier, tokens[algorithm], operations) });
}
