'use strict';

// A REST REQUEST authorizer that verifies the access token with aws-jwt-verify, checks one scope and answers with an IAM
// policy: what the OAuth mode of `bootstrap` is measured beside.
//
// Settings: ISSUER, AUDIENCE, JWKS_URL, and SCOPES, a JSON object such as {"GET /planets": "planets.read"}.

const http = require('node:http');
const { JwtVerifier } = require('aws-jwt-verify');
const { SimpleJwksCache } = require('aws-jwt-verify/jwk');

const { ISSUER, AUDIENCE, JWKS_URL, SCOPES } = process.env;
const scopes = JSON.parse(SCOPES);

/** The package's own fetcher takes https only; the issuer of the benchmark is on loopback in the clear. */
const fetcher = {
  fetch: (uri) => new Promise((resolve, reject) => {
    http.get(uri, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(new Uint8Array(Buffer.concat(parts)).buffer);
        else reject(new Error(`the issuer answered with ${response.statusCode}`));
      });
    }).on('error', reject);
  }),
};

const verifier = JwtVerifier.create(
  { issuer: ISSUER, audience: AUDIENCE, scope: null, jwksUri: JWKS_URL, graceSeconds: 5 },
  { jwksCache: new SimpleJwksCache({ fetcher }) },
);

function policy(principalId, Effect, Resource, context) {
  return {
    principalId,
    policyDocument: { Version: '2012-10-17', Statement: [{ Action: 'execute-api:Invoke', Effect, Resource }] },
    context,
  };
}

exports.handler = async (event) => {
  const [, token] = /^Bearer +(\S+)$/i.exec(event.headers?.Authorization ?? '') ?? [];
  let claims;
  try {
    claims = await verifier.verify(token);
  } catch {
    // API Gateway turns exactly this into 401.
    throw new Error('Unauthorized');
  }
  const needed = scopes[`${event.httpMethod} ${event.resource}`];
  const granted = typeof claims.scope === 'string' ? claims.scope.split(' ') : [];
  const effect = needed !== undefined && granted.includes(needed) ? 'Allow' : 'Deny';
  return policy(claims.sub, effect, event.methodArn, { client_id: claims.client_id, scope: claims.scope });
};
