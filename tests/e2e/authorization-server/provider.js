// oidc-provider as the tests need it: its resources, its clients, and storage that outlives a change
// of keys.

import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { ALGORITHMS, makeKey } from '../../oracle/keys.js';

// The installation of the solar system example serves both.
const EXAMPLE = new URL('../../../examples/solar-system/authorization-server/package.json', import.meta.url);
const { Provider, errors } = await import(pathToFileURL(createRequire(EXAMPLE).resolve('oidc-provider')));

const TOKEN_LIFETIME_SECONDS = 600;
export const SCOPES = ['read', 'write', 'http://myapp.com/scp/silver'];

/** What a token is for says what kind of token it is. */
export const RESOURCES = Object.fromEntries([
  ...ALGORITHMS.map((alg) => [alg, { format: 'jwt', alg }]),
  ['opaque', { format: 'opaque' }],
  ['expired', { format: 'jwt', alg: 'RS256', age: 3600 }],
  ['elsewhere', { format: 'jwt', alg: 'RS256' }],
].map(([name, resource]) => [name, { uri: `https://api.example/${name}`, ...resource }]));

const ASSERTION_KEY = makeKey('ES256', 'assertion-key');
const machine = { grant_types: ['client_credentials'], scope: SCOPES.join(' ') };
const withSecret = (method) => ({ token_endpoint_auth_method: method });

/** By id: how each client is registered, and what it proves itself with. */
export const clients = Object.fromEntries(Object.entries({
  machine,
  'dpop-machine': { ...machine, dpop_bound_access_tokens: true },
  'mtls-machine': { ...machine, tls_client_certificate_bound_access_tokens: true },
  'introspect-basic': withSecret('client_secret_basic'),
  'introspect-post': withSecret('client_secret_post'),
  'introspect-signed': { introspection_signed_response_alg: 'RS256' },
  'introspect-jwt': { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [ASSERTION_KEY.jwk] } },
}).map(([id, metadata]) => [id, metadata.jwks
  ? { metadata, key: ASSERTION_KEY }
  : { metadata, secret: randomBytes(24).toString('base64url') }]));

export const signingKeys = () => ALGORITHMS.map((alg) => makeKey(alg, randomBytes(8).toString('hex')));

export function makeProvider(issuer, keys) {
  return new Provider(issuer, {
    adapter: Storage,
    jwks: { keys: keys.map(({ jwk, privateKey }) => ({ ...jwk, ...privateKey.export({ format: 'jwk' }) })) },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    scopes: SCOPES,
    clients: Object.entries(clients).map(([id, { metadata, secret }]) => ({
      client_id: id,
      ...(secret ? { client_secret: secret } : {}),
      grant_types: [],
      redirect_uris: [],
      response_types: [],
      ...metadata,
    })),
    enabledJWA: {
      introspectionSigningAlgValues: ['RS256'],
      dPoPSigningAlgValues: ['ES256', 'RS256', 'PS256', 'Ed25519'],
    },
    formats: {
      customizers: {
        jwt: (_context, token, { payload }) => {
          const { age = 0 } = resourceOf(token.aud);
          payload.iat -= age;
          payload.exp -= age;
        },
      },
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      jwtIntrospection: { enabled: true },
      revocation: { enabled: true, allowedPolicy: () => true },
      dPoP: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: (context) => context.socket.getPeerX509Certificate?.(),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, uri) => {
          const { format, alg } = resourceOf(uri);
          return {
            scope: SCOPES.join(' '),
            audience: uri,
            accessTokenTTL: TOKEN_LIFETIME_SECONDS,
            accessTokenFormat: format,
            ...(alg ? { jwt: { sign: { alg } } } : {}),
          };
        },
      },
    },
  });
}

function resourceOf(uri) {
  const resource = Object.values(RESOURCES).find((known) => known.uri === uri);
  if (!resource) throw new errors.InvalidTarget();
  return resource;
}

// oidc-provider's own storage in memory starts anew with every provider, and with it every opaque token.
const stored = new Map();

class Storage {
  constructor(model) {
    this.key = (id) => `${model}:${id}`;
  }

  async upsert(id, payload) {
    stored.set(this.key(id), payload);
  }

  async find(id) {
    return stored.get(this.key(id));
  }

  async destroy(id) {
    stored.delete(this.key(id));
  }
}
