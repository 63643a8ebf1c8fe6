// Signs the user in: authorization code with PKCE (RFC 7636), as RFC 9700 section 2.1.1 asks of
// every client. What has to survive the trip to the authorization server (state, nonce, verifier) is
// kept in sessionStorage and used once; tokens are only ever returned to the caller.

import { decode } from './jwt.js';

const PENDING = 'pending-sign-in';

/** Why a sign-in did not end in a token, in a sentence for the user. */
export class SignInError extends Error {}

/** The authorization server's metadata (RFC 8414), which must be about the server that we asked. */
export async function discover(issuer) {
  const answer = await fetch(`${issuer}/.well-known/openid-configuration`, { credentials: 'omit' });
  if (!answer.ok) throw new SignInError(`The authorization server answers ${answer.status}.`);
  const server = await answer.json();
  if (server.issuer !== issuer) throw new SignInError('The authorization server says that it is another one.');
  return server;
}

/** Sends the browser to the authorization server. */
export async function startSignIn(server, settings) {
  const pending = { state: random(), nonce: random(), verifier: random() };
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  const challenge = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(pending.verifier));
  go(server.authorization_endpoint, {
    response_type: 'code',
    client_id: settings.client_id,
    redirect_uri: redirectUri(),
    scope: ['openid', ...settings.scopes].join(' '),
    resource: settings.resource,
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: base64url(new Uint8Array(challenge)),
    code_challenge_method: 'S256',
  });
}

/** Takes the authorization server's answer out of the address, or returns null if there is none. */
export function takeAnswer() {
  const answer = new URLSearchParams(location.search);
  if (!answer.has('code') && !answer.has('error')) return null;
  history.replaceState(null, '', location.pathname);
  return answer;
}

/** Exchanges the answer's code for the access token. Every check comes before the code is used. */
export async function finishSignIn(server, settings, answer) {
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? 'null');
  sessionStorage.removeItem(PENDING);
  if (!pending) throw new SignInError('This page did not ask for a sign-in. Nothing was done with the answer.');
  if (answer.get('state') !== pending.state) {
    throw new SignInError('The answer has another state than the request. Nothing was done with it.');
  }
  // RFC 9207: the answer says whose it is.
  if (answer.get('iss') !== server.issuer) {
    throw new SignInError('The answer is from another authorization server. Nothing was done with it.');
  }
  if (answer.has('error')) throw new SignInError(refusal(answer));

  const response = await fetch(server.token_endpoint, {
    method: 'POST',
    credentials: 'omit',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: settings.client_id,
      code: answer.get('code'),
      redirect_uri: redirectUri(),
      code_verifier: pending.verifier,
      resource: settings.resource,
    }),
  });
  const tokens = await response.json();
  if (!response.ok) throw new SignInError(`The authorization server gives no token: ${tokens.error}.`);
  checkIdToken(tokens.id_token, server, settings, pending);
  return tokens.access_token;
}

/** Sends the browser to the authorization server, which ends the session there. */
export function startSignOut(server, settings) {
  // The client is named instead of sending the ID token as a hint: no token belongs into an address.
  go(server.end_session_endpoint, { client_id: settings.client_id, post_logout_redirect_uri: redirectUri() });
}

/**
 * OpenID Connect Core section 3.1.3.7. The signature is left out, as item 6 allows: the ID token came
 * from the token endpoint itself.
 */
function checkIdToken(token, server, settings, pending) {
  const { claims } = decode(token);
  const meant = claims.iss === server.issuer && claims.aud === settings.client_id && claims.exp > Date.now() / 1000;
  if (!meant || claims.nonce !== pending.nonce) {
    throw new SignInError('The ID token belongs to another sign-in. All tokens were dropped.');
  }
}

function refusal(answer) {
  if (answer.get('error') === 'access_denied') return 'You cancelled the sign-in.';
  return `The authorization server refuses: ${answer.get('error')}.`;
}

function redirectUri() {
  return `${location.origin}/`;
}

function go(endpoint, parameters) {
  location.assign(`${endpoint}?${new URLSearchParams(parameters)}`);
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
