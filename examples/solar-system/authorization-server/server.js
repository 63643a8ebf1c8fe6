// The authorization server of the solar system example: oidc-provider on loopback, with the
// client_credentials clients of clients.json and the users of users.js, who sign in to the app.
// Access tokens are JWTs as in RFC 9068 (typ at+jwt, RS256) for the one resource that there is.
//
//   node server.js [PORT [APP_ORIGIN]]
//
// PORT 0, the default, takes a free one. APP_ORIGIN is where the app of examples/solar-system/app
// is, for example http://localhost:3000; without it no app is registered and nobody can sign in.
// When the server is ready it prints one line of JSON:
// {"issuer", "token_endpoint", "resource", "clients": {id: {"secret", "scopes"}},
//  "users": {name: {"password", "scopes"}}, "app": {"client_id", "redirect_uri", "scopes"} or null}.
// Signing key, client secrets and passwords are made at start and live only as long as the process.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Provider, errors } from 'oidc-provider';
import { interactions } from './interactions.js';
import { errorPage, signOutPage, signedOutPage } from './pages.js';
import { makeUsers } from './users.js';

const RESOURCE = 'https://solar-system.example';
const APP = 'solar-system-app';
const TOKEN_LIFETIME_SECONDS = 600;
const SIGN_IN_LIFETIME_SECONDS = 600;
const SESSION_LIFETIME_SECONDS = 3600;

const scopesOf = JSON.parse(readFileSync(new URL('clients.json', import.meta.url), 'utf8'));
const everyScope = [...new Set(Object.values(scopesOf).flat())];
const secrets = Object.fromEntries(
  Object.keys(scopesOf).map((id) => [id, randomBytes(24).toString('base64url')]),
);
const users = makeUsers(scopesOf);
const appOrigin = process.argv[3];
const app = appOrigin ? { client_id: APP, redirect_uri: `${appOrigin}/`, scopes: everyScope } : null;

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
    users: Object.fromEntries(users.map(({ name, password, scopes }) => [name, { password, scopes }])),
    app,
  }));
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => process.exit(0));
}

function provider(issuer) {
  const made = new Provider(issuer, {
    jwks: { keys: [signingKey()] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    scopes: ['openid', ...everyScope],
    clients: [...machines(), ...(app ? [browserApp()] : [])],
    findAccount: (_context, sub) => users.some((user) => user.sub === sub)
      ? { accountId: sub, claims: () => ({ sub }) }
      : undefined,
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    pkce: { required: () => true },
    // The page of the app calls the token endpoint; no other page has a reason to.
    clientBasedCORS: (_context, origin, client) => client.clientId === APP && origin === appOrigin,
    renderError: errorPage,
    ttl: {
      AccessToken: TOKEN_LIFETIME_SECONDS,
      AuthorizationCode: 60,
      ClientCredentials: TOKEN_LIFETIME_SECONDS,
      Grant: SESSION_LIFETIME_SECONDS,
      IdToken: TOKEN_LIFETIME_SECONDS,
      Interaction: SIGN_IN_LIFETIME_SECONDS,
      Session: SESSION_LIFETIME_SECONDS,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (context, form) => signOutPage(context, form, appOrigin),
        postLogoutSuccessSource: signedOutPage,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource, client) => {
          if (resource !== RESOURCE) throw new errors.InvalidTarget();
          return {
            // A client is only ever given the scopes that clients.json lists for it. The app may ask
            // for every scope; what its user may hold is decided at the consent.
            scope: (client.clientId === APP ? everyScope : scopesOf[client.clientId]).join(' '),
            audience: RESOURCE,
            accessTokenTTL: TOKEN_LIFETIME_SECONDS,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          };
        },
      },
    },
  });
  made.use(interactions(made, users, appOrigin));
  return made;
}

/** The clients of clients.json, which act for themselves. */
function machines() {
  return Object.entries(scopesOf).map(([id, scopes]) => ({
    client_id: id,
    client_secret: secrets[id],
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    ...(scopes.length ? { scope: scopes.join(' ') } : {}),
  }));
}

/** The app, which has no secret because a web page cannot keep one. */
function browserApp() {
  return {
    client_id: APP,
    client_name: 'Solar system',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    redirect_uris: [app.redirect_uri],
    post_logout_redirect_uris: [app.redirect_uri],
    scope: ['openid', ...everyScope].join(' '),
  };
}

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: randomBytes(8).toString('hex') };
}
