// The page: who is signed in, what the access token says, and what each call came to. The token is
// held by a variable of this module and nowhere else; reloading the page forgets it.

import { call, reason } from './api.js';
import { decode, withClaims } from './jwt.js';
import { SignInError, discover, finishSignIn, startSignIn, startSignOut, takeAnswer } from './oauth.js';

const API_NAMES = { rest: 'REST API', http: 'HTTP API' };
const CALLERS = { mine: 'your token', changed: 'your token, changed', none: 'no token' };

const byId = (id) => document.getElementById(id);
let token = null;

await start();

async function start() {
  const answer = takeAnswer();
  try {
    const settings = await (await fetch('/settings.json')).json();
    const server = await discover(settings.issuer);
    byId('sign-in').addEventListener('click', () => startSignIn(server, settings));
    byId('sign-out').addEventListener('click', () => {
      token = null;
      show(settings);
      startSignOut(server, settings);
    });
    for (const button of document.querySelectorAll('[data-path]')) {
      button.addEventListener('click', () => tryCall(button, settings));
    }
    if (answer) token = await finishSignIn(server, settings, answer);
    show(settings);
  } catch (error) {
    // What is no SignInError is a mistake of this page or a dead server: the console has the details.
    if (!(error instanceof SignInError)) console.error(error);
    byId('problem').textContent = error instanceof SignInError ? error.message : 'The authorization server cannot be reached.';
  }
  byId('session').setAttribute('aria-busy', 'false');
}

function show(settings) {
  const claims = token && decode(token).claims;
  byId('who').textContent = claims ? `Signed in as ${claims.sub}.` : 'Nobody is signed in.';
  byId('sign-in').hidden = Boolean(token);
  byId('sign-out').hidden = !token;
  byId('token').hidden = !token;
  for (const value of ['mine', 'changed']) byId(`send-${value}`).disabled = !token;
  byId(token ? 'send-mine' : 'send-none').checked = true;
  byId('header').textContent = token ? JSON.stringify(decode(token).header, null, 2) : '';
  byId('claims').textContent = token ? JSON.stringify(claims, null, 2) : '';
  if (!token) return;
  byId('expires').textContent = new Date(claims.exp * 1000).toLocaleTimeString();
  const held = (claims.scope ?? '').split(' ');
  byId('scopes').replaceChildren(...settings.scopes.map((scope) => {
    const row = element('li', held.includes(scope) ? 'held' : 'missing', '');
    row.append(element('code', '', scope), element('span', '', held.includes(scope) ? 'yes' : 'no'));
    return row;
  }));
}

async function tryCall(button, settings) {
  const api = document.querySelector('[name=api]:checked').value;
  const caller = document.querySelector('[name=send]:checked').value;
  const path = button.dataset.path;
  // What a cheat would try: every scope written into the token.
  const sent = { mine: token, none: null, changed: token && withClaims(token, { scope: settings.scopes.join(' ') }) }[caller];
  button.disabled = true;
  try {
    byId('results').prepend(resultOf(api, path, caller, await call(api, path, sent)));
  } catch (error) {
    byId('results').prepend(element('li', 'result', `GET ${path}: ${error.message}`));
  }
  button.disabled = false;
  button.focus();
  byId('no-results').hidden = true;
}

function resultOf(api, path, caller, answer) {
  const item = element('li', 'result', '');
  const line = element('p', 'summary', '');
  line.append(
    element('strong', answer.status < 400 ? 'status good' : 'status bad', String(answer.status)),
    element('code', 'call', `GET ${path}`),
    element('span', 'hint', `${API_NAMES[api]}, ${CALLERS[caller]}`),
  );
  const facts = element('dl', '', '');
  fact(facts, 'reason', 'Reason', reason(answer));
  fact(facts, 'challenge', 'WWW-Authenticate', answer.challenge);
  const details = element('details', '', '');
  const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body, null, 2);
  details.append(element('summary', '', 'Body'), element('pre', 'body', text));
  item.append(line, facts, details);
  return item;
}

function fact(list, name, title, value) {
  if (value) list.append(element('dt', '', title), element('dd', name, value));
}

/** An element with text. What comes from outside is text and never markup. */
function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
