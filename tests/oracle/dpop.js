// The client's half of DPoP (RFC 9449): proofs, right and wrong in every member, and what oauth4webapi
// says of a token with its proof.

import { createHash, randomUUID } from 'node:crypto';
import * as oauth from 'oauth4webapi';
import { encode, makeKey, signature } from './keys.js';

const keys = new Map();

/** The client's key of that name, made when it is first asked for. */
function clientKey(alg, name) {
  const id = `${alg} ${name}`;
  if (!keys.has(id)) keys.set(id, makeKey(alg));
  return keys.get(id);
}

const publicMembers = ({ jwk: { alg, use, kid, ...members } }) => members;

/** RFC 7638: the hash of the required members, in the order of their names. */
function thumbprint(key) {
  const required = Object.entries(publicMembers(key)).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(Object.fromEntries(required))).digest('base64url');
}

/**
 * A proof for a request. `header` and `claims` replace members, and null takes one away. It is signed
 * with the key named `signer`, and shows the key named `key`.
 */
export function makeProof(request) {
  const { method, url, access_token: token, alg = 'ES256', key = 'usual', signer = key, header, claims } = request;
  const shown = clientKey(alg, key);
  const hash = token ? { ath: createHash('sha256').update(token).digest('base64url') } : {};
  const usualClaims = { jti: randomUUID(), htm: method, htu: url, iat: Math.floor(Date.now() / 1000), ...hash };
  const proof = compact({ typ: 'dpop+jwt', alg, jwk: publicMembers(shown), ...header }, { ...usualClaims, ...claims });
  return { proof: `${proof}.${encode(signature(clientKey(alg, signer), proof))}`, jkt: thumbprint(shown) };
}

/** What a client signs to say who it is (RFC 7523). */
export function makeAssertion(key, client, audience) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: client, sub: client, aud: audience, jti: randomUUID(), iat: now, exp: now + 60 };
  const text = compact({ alg: key.alg, kid: key.kid }, claims);
  return `${text}.${encode(signature(key, text))}`;
}

function compact(...parts) {
  const present = (part) => Object.fromEntries(Object.entries(part).filter(([, value]) => value !== null));
  return parts.map((part) => encode(JSON.stringify(present(part)))).join('.');
}

/** Whether oauth4webapi lets a request with that token and, where there is one, that proof pass. */
export async function validate(issuer, jwks, { token, proof, method, url, audience }) {
  const headers = proof ? { authorization: `DPoP ${token}`, dpop: proof } : { authorization: `Bearer ${token}` };
  try {
    const server = { issuer, jwks_uri: `${issuer}/jwks` };
    await oauth.validateJwtAccessToken(server, new Request(url, { method, headers }), audience, {
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: async () => Response.json(jwks),
    });
    return { accepted: true, why: null };
  } catch (error) {
    return { accepted: false, why: `${error.name}: ${error.message}` };
  }
}
