// The authorization server of the solar system example: oidc-provider on loopback, with the
// client_credentials clients of clients.json. Access tokens are JWTs as in RFC 9068
// (typ at+jwt, RS256) for the one resource that there is.
//
//   node server.js [PORT]
//
// PORT 0, the default, takes a free one. When the server is ready it prints one line of JSON:
// {"issuer", "token_endpoint", "resource", "clients": {id: {"secret", "scopes"}}}.
// The signing key and the client secrets are made at start and live only as long as the process.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Provider, errors } from 'oidc-provider';

const RESOURCE = 'https://solar-system.example';
const TOKEN_LIFETIME_SECONDS = 600;

const scopesOf = JSON.parse(readFileSync(new URL('clients.json', import.meta.url), 'utf8'));
const everyScope = [...new Set(Object.values(scopesOf).flat())];
const secrets = Object.fromEntries(
  Object.keys(scopesOf).map((id) => [id, randomBytes(24).toString('base64url')]),
);

// The issuer holds the port, so the socket is opened before the provider is made.
const server = createServer();
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on('request', provider(issuer).callback());
  console.log(JSON.stringify({
    issuer,
    token_endpoint: `${issuer}/token`,
    resource: RESOURCE,
    clients: Object.fromEntries(Object.entries(scopesOf).map(
      ([id, scopes]) => [id, { secret: secrets[id], scopes }],
    )),
  }));
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => process.exit(0));
}

function provider(issuer) {
  return new Provider(issuer, {
    jwks: { keys: [signingKey()] },
    scopes: everyScope,
    clients: Object.entries(scopesOf).map(([id, scopes]) => ({
      client_id: id,
      client_secret: secrets[id],
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      ...(scopes.length ? { scope: scopes.join(' ') } : {}),
    })),
    ttl: { ClientCredentials: TOKEN_LIFETIME_SECONDS },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource, client) => {
          if (resource !== RESOURCE) throw new errors.InvalidTarget();
          return {
            // A client is only ever given the scopes that clients.json lists for it.
            scope: scopesOf[client.clientId].join(' '),
            audience: RESOURCE,
            accessTokenTTL: TOKEN_LIFETIME_SECONDS,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          };
        },
      },
    },
  });
}

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: randomBytes(8).toString('hex') };
}
