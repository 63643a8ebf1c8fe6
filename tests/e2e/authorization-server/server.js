// The authorization server of the end-to-end tests: oidc-provider with everything that the one of the
// solar system example does not need. JWTs in four algorithms, opaque tokens with introspection and
// revocation, tokens bound to a key (DPoP) or to a certificate (mTLS), and keys that change on demand.
//
//   node server.js DIRECTORY
//
// Certificates are written to DIRECTORY. When the server is ready it prints one line of JSON:
// {"issuer", "endpoints": {name: URL}, "resources": {name: URI}, "scopes", "clients": {id: {"secret"} or
//  {"private_key"}}, "ca": FILE, "certificates": {name: {"certificate": FILE, "key": FILE}}}.
// All secrets are made at start and live only as long as the process.
//
// token_server.py drives it with POSTs of JSON to /control/..., beside the provider's own endpoints.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { makeAssertion, makeProof, validate } from '../../oracle/dpop.js';
import { makeCertificates } from './certificates.js';
import { RESOURCES, SCOPES, clients, makeProvider, signingKeys } from './provider.js';

const { ca, server: own, clients: certificates } = makeCertificates(process.argv[2]);
const http = createServer();
// Clients without a certificate get in: refusing them is what the provider is for.
const https = createTlsServer({
  ca: readFileSync(ca),
  cert: readFileSync(own.certificate),
  key: readFileSync(own.key),
  requestCert: true,
  rejectUnauthorized: false,
});
await Promise.all([http, https].map((listener) => new Promise((ready) => listener.listen(0, '127.0.0.1', ready))));

const issuer = `http://127.0.0.1:${http.address().port}`;
const mtls = `https://127.0.0.1:${https.address().port}`;
const jwksRequests = [];
let keys = signingKeys();
let provider = makeProvider(issuer, keys).callback();

const control = {
  /** New keys sign from now on; the old ones stay published where `keep` says so. */
  rotate: ({ keep }) => {
    const fresh = signingKeys();
    keys = keep ? [...fresh, ...keys] : fresh;
    provider = makeProvider(issuer, keys).callback();
    return { kids: fresh.map((key) => key.kid) };
  },
  'jwks-requests': () => ({ seconds: jwksRequests }),
  proof: makeProof,
  assertion: ({ client, audience }) => ({ assertion: makeAssertion(clients[client].key, client, audience) }),
  validate: (request) => validate(issuer, { keys: keys.map((key) => key.jwk) }, request),
};

http.on('request', (request, response) => {
  const command = request.url.match(/^\/control\/([a-z-]+)$/)?.[1];
  if (command) return answer(control[command], request, response);
  if (request.url === '/jwks') jwksRequests.push(Date.now() / 1000);
  return provider(request, response);
});
https.on('request', (request, response) => provider(request, response));

console.log(JSON.stringify({
  issuer,
  endpoints: {
    token: `${issuer}/token`,
    mtls_token: `${mtls}/token`,
    introspection: `${issuer}/token/introspection`,
    revocation: `${issuer}/token/revocation`,
  },
  resources: Object.fromEntries(Object.entries(RESOURCES).map(([name, { uri }]) => [name, uri])),
  scopes: SCOPES,
  clients: Object.fromEntries(Object.entries(clients).map(([id, { secret, key }]) => [id, key
    ? { private_key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }), kid: key.kid, alg: key.alg }
    : { secret }])),
  ca,
  certificates,
}));

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => process.exit(0));
}

async function answer(command, request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    const result = await command(JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(result));
  } catch (error) {
    response.writeHead(500).end(String(error.stack));
  }
}
