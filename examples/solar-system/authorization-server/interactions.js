// What a user does at the authorization server between the request of the app and its answer: sign
// in, and choose which of the scopes that the app asked for it shall get (OpenID Connect Core
// section 3.1.2.3 and 3.1.2.4). A scope that the user may not hold cannot be chosen, and a scope that
// is not chosen is left out of the token.

import { readFileSync } from 'node:fs';
import { consentPage, expiredPage, signInPage } from './pages.js';
import { findUser } from './users.js';

const STYLE = readFileSync(new URL('style.css', import.meta.url), 'utf8');
const FORM_LIMIT_BYTES = 4096;
const ROUTE = /^\/interaction\/([\w-]+)(?:\/(sign-in|consent|cancel))?$/;

/** A Koa middleware that answers for the pages, and leaves every other request to the provider. */
export function interactions(provider, users, appOrigin) {
  return async (context, next) => {
    if (context.method === 'GET' && context.path === '/style.css') {
      context.type = 'css';
      context.body = STYLE;
      return;
    }
    const [, uid, action] = ROUTE.exec(context.path) ?? [];
    if (!uid || context.method !== (action ? 'POST' : 'GET')) {
      await next();
      return;
    }
    context.set('Cache-Control', 'no-store');
    const interaction = await find(provider, context, uid);
    if (!interaction) {
      expiredPage(context);
      return;
    }
    await answer(action, { provider, users, appOrigin, context, interaction });
  };
}

/** The interaction that the cookie names, if it is the one of the address. */
async function find(provider, context, uid) {
  try {
    const interaction = await provider.interactionDetails(context.req, context.res);
    return interaction.uid === uid ? interaction : undefined;
  } catch (error) {
    if (error.name === 'SessionNotFound') return undefined;
    throw error;
  }
}

async function answer(action, step) {
  const { context, interaction } = step;
  const prompt = interaction.prompt.name;
  if (action === 'cancel') {
    await finish(step, { error: 'access_denied', error_description: 'the user cancelled' });
  } else if (prompt === 'login' && action === 'sign-in') {
    await signIn(step);
  } else if (prompt === 'login') {
    signInPage(context, step);
  } else if (prompt === 'consent' && action === 'consent') {
    await consent(step);
  } else if (prompt === 'consent') {
    consentPage(context, { ...step, ...choices(step) });
  } else {
    expiredPage(context);
  }
}

async function signIn(step) {
  const form = await readForm(step.context);
  const name = form.get('name') ?? '';
  const user = findUser(step.users, name, form.get('password') ?? '');
  if (user) {
    await finish(step, { login: { accountId: user.sub } });
  } else {
    signInPage(step.context, { ...step, name, problem: 'That name and password do not belong together.' });
  }
}

async function consent(step) {
  const { provider, context, interaction } = step;
  const { user, asked, offered } = choices(step);
  const chosen = (await readForm(context)).getAll('scope');
  // What was offered is looked up again: the form came from the browser, which may say anything.
  const granted = offered.filter((scope) => chosen.includes(scope));
  const refused = asked.filter((scope) => !granted.includes(scope));

  const grant = new provider.Grant({ accountId: user.sub, clientId: interaction.params.client_id });
  grant.addOIDCScope(['openid', ...granted].join(' '));
  grant.addResourceScope(interaction.params.resource, granted.join(' '));
  // Said in so many words, or the provider would ask again.
  if (refused.length) {
    grant.rejectOIDCScope(refused.join(' '));
    grant.rejectResourceScope(interaction.params.resource, refused.join(' '));
  }
  await finish(step, { consent: { grantId: await grant.save() } });
}

/** Who is signed in, what the app asked for, and what of it this user may give. */
function choices({ users, interaction }) {
  const user = users.find(({ sub }) => sub === interaction.session.accountId);
  const asked = (interaction.params.scope ?? '').split(' ').filter((scope) => scope && scope !== 'openid');
  return { user, asked, offered: asked.filter((scope) => user.scopes.includes(scope)) };
}

async function finish({ provider, context }, result) {
  const returnTo = await provider.interactionResult(context.req, context.res, result);
  context.redirect(returnTo);
  context.status = 303;
}

async function readForm(context) {
  const chunks = [];
  let size = 0;
  for await (const chunk of context.req) {
    size += chunk.length;
    if (size > FORM_LIMIT_BYTES) context.throw(413);
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}
