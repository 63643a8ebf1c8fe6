// Uses the app as a person would, in a real Chromium.
//
//   node test/scenarios.js NAME SETTINGS
//
// runs one scenario. SETTINGS is one JSON object: {"chromium", "app", "issuer", "profile", "api",
// "users": {name: {"password", "scopes", "expected": {path: status}}}}, where `profile` is an empty
// directory and `expected` is what the policy says. Prints one JSON object for the tests of the
// programs around the browser and ends with 0; else it says what was wrong and ends with 1.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const GOLD = 'http://myapp.com/scp/gold';
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

const scenarios = {
  async 'silver gets what the policy says'(page, it) {
    await signIn(page, it, 'silver');
    await expectAnswers(page, it, it.users.silver.expected);
  },

  async 'gold gets what the policy says'(page, it) {
    await signIn(page, it, 'gold');
    await expectAnswers(page, it, it.users.gold.expected);
  },

  async 'nobody is challenged'(page, it) {
    await page.goto(it.app);
    await page.getByText('Nobody is signed in.').waitFor();
    await choose(page, it);
    for (const path of Object.keys(it.users.gold.expected)) {
      const answer = await tryCall(page, path);
      assert.equal(answer.status, 401);
      assert.equal(answer.reason, 'Unauthorized');
      if (it.api === 'rest') assert.equal(answer.challenge, 'Bearer');
    }
  },

  async 'a changed token is refused'(page, it) {
    await signIn(page, it, 'silver');
    await choose(page, it, 'Your token, with every scope written into it');
    // A simple answer of an HTTP API's authorizer is yes or no, and no is 403.
    const expected = it.api === 'rest' ? 401 : 403;
    for (const path of Object.keys(it.users.silver.expected)) {
      assert.equal((await tryCall(page, path)).status, expected);
    }
  },

  async 'the token is shown decoded'(page, it) {
    await signIn(page, it, 'silver');
    const header = JSON.parse(await page.getByRole('region', { name: 'Header' }).textContent());
    const claims = JSON.parse(await page.getByRole('region', { name: 'Claims' }).textContent());
    assert.equal(header.typ, 'at+jwt');
    assert.equal(claims.sub, 'user-silver');
    assert.equal(claims.scope, it.users.silver.scopes.join(' '));
    assert.equal(claims.aud, 'https://solar-system.example');
    assert.deepEqual({ header, claims }, decoded((await it.tokens).access_token));
    assert.deepEqual(await page.locator('#scopes li').allInnerTexts().then((rows) => rows.map((row) => row.split(/\s+/))),
      [['http://myapp.com/scp/silver', 'yes'], [GOLD, 'no']]);
  },

  async 'one signs out and the other signs in'(page, it) {
    await signIn(page, it, 'silver');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign out?' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('Nobody is signed in.').waitFor();
    assert.equal(page.url(), it.app);
    assert.ok(await page.locator('#token').isHidden());
    assert.equal(await page.locator('#claims').textContent(), '');
    assert.ok(await page.getByLabel('Your token', { exact: true }).isDisabled());
    await signIn(page, it, 'gold');
    await expectAnswers(page, it, it.users.gold.expected);
  },

  async 'signing out forgets the token before it leaves the page'(page, it) {
    await signIn(page, it, 'silver');
    // An answer without content leaves the browser where it is.
    await page.route(`${it.issuer}/session/end*`, (route) => route.fulfill({ status: 204 }));
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('Nobody is signed in.').waitFor();
    assert.ok(await page.locator('#token').isHidden());
    assert.equal(await page.locator('#claims').textContent(), '');
    assert.equal((await tryCall(page, '/planets')).status, 401);
  },

  async 'a reload forgets the token'(page, it) {
    await signIn(page, it, 'gold');
    await page.reload();
    await page.getByText('Nobody is signed in.').waitFor();
    assert.ok(await page.locator('#token').isHidden());
  },

  async 'a wrong password gives an error and no token'(page, it) {
    await page.goto(it.app);
    await page.getByRole('button', { name: 'Sign in' }).click();
    const wrong = [['silver', 'wrong'], ['silver', it.users.gold.password], ['nobody', it.users.gold.password]];
    for (const [name, password] of wrong) {
      await page.getByLabel('Name').fill(name);
      await page.getByLabel('Password').fill(password);
      const [answer] = await Promise.all([
        page.waitForResponse((each) => each.request().method() === 'POST'),
        page.getByRole('button', { name: 'Sign in' }).click(),
      ]);
      assert.equal(answer.status(), 400);
      assert.match(await page.getByRole('alert').textContent(), /do not belong together/);
      assert.equal(await page.getByLabel('Name').inputValue(), name);
      assert.equal(await page.getByLabel('Password').inputValue(), '');
    }
    assert.ok(page.url().startsWith(it.issuer));
    assert.equal(it.tokenCalls, 0);
    // The same page lets the right password in.
    await enterPassword(page, it, 'silver');
    await page.getByRole('heading', { name: 'What may the app do?' }).waitFor();
  },

  async 'a scope that is not allowed is not in the token'(page, it) {
    await page.goto(it.app);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await enterPassword(page, it, 'gold');
    await page.getByLabel(GOLD).uncheck();
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.getByText('Signed in as user-gold.').waitFor();
    assert.equal(decoded((await it.tokens).access_token).claims.scope, 'http://myapp.com/scp/silver');
    await expectAnswers(page, it, it.users.silver.expected);
  },

  async 'a user cannot take a scope by changing the form'(page, it) {
    await page.goto(it.app);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await enterPassword(page, it, 'silver');
    const box = page.getByLabel(GOLD);
    assert.ok(await box.isDisabled());
    await box.evaluate((input) => Object.assign(input, { disabled: false, checked: true }));
    const [sent] = await Promise.all([
      page.waitForRequest((each) => each.url().endsWith('/consent')),
      page.getByRole('button', { name: 'Allow' }).click(),
    ]);
    assert.ok(new URLSearchParams(sent.postData()).getAll('scope').includes(GOLD), 'the form did ask for it');
    await page.getByText('Signed in as user-silver.').waitFor();
    assert.equal(decoded((await it.tokens).access_token).claims.scope, it.users.silver.scopes.join(' '));
    await expectAnswers(page, it, it.users.silver.expected);
  },

  async 'a cancelled sign-in gives no token'(page, it) {
    await page.goto(it.app);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await expectProblem(page, /You cancelled/);
    assert.equal(page.url(), it.app);
    assert.equal(it.tokenCalls, 0);
  },

  async 'an answer with a wrong state is refused'(page, it) {
    const answer = await interceptAnswer(page, it);
    answer.searchParams.set('state', 'x'.repeat(43));
    await page.goto(answer.href);
    await expectProblem(page, /another state/);
    await expectNoSignIn(page, it);
  },

  async 'an answer without a state is refused'(page, it) {
    const answer = await interceptAnswer(page, it);
    answer.searchParams.delete('state');
    await page.goto(answer.href);
    await expectProblem(page, /another state/);
    await expectNoSignIn(page, it);
  },

  async 'an answer from another server is refused'(page, it) {
    const answer = await interceptAnswer(page, it);
    answer.searchParams.set('iss', 'http://127.0.0.1:1');
    await page.goto(answer.href);
    await expectProblem(page, /another authorization server/);
    await expectNoSignIn(page, it);
  },

  // Somebody sends a link with an answer of their own, so that the user works in their account.
  async 'an answer that nobody asked for is refused'(page, it) {
    const answer = await interceptAnswer(page, it);
    const stranger = await it.context.newPage();
    await stranger.goto(answer.href);
    await expectProblem(stranger, /did not ask/);
    await expectNoSignIn(stranger, it);
    // The control: the tab that did ask may use the same answer, and only once.
    await page.goto(answer.href);
    await page.getByText('Signed in as user-silver.').waitFor();
    await page.goto(answer.href);
    await expectProblem(page, /did not ask/);
    assert.equal(it.tokenCalls, 1);
  },

  async 'an ID token of another sign-in is refused'(page, it) {
    await page.route(`${it.issuer}/token`, async (route) => {
      const answer = await route.fetch();
      const tokens = await answer.json();
      const [header, claims, signature] = tokens.id_token.split('.');
      const changed = { ...JSON.parse(Buffer.from(claims, 'base64url')), nonce: 'another' };
      tokens.id_token = [header, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.');
      await route.fulfill({ response: answer, json: tokens });
    });
    await page.goto(it.app);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await enterPassword(page, it, 'silver');
    await page.getByRole('button', { name: 'Allow' }).click();
    await expectProblem(page, /another sign-in/);
    assert.ok(await page.locator('#token').isHidden());
  },

  async 'the token stays in the page'(page, it) {
    await signIn(page, it, 'gold');
    await expectAnswers(page, it, it.users.gold.expected);
    const { access_token: accessToken, id_token: idToken } = await it.tokens;
    const parts = [accessToken, idToken].flatMap((token) => token.split('.').slice(1));
    const stored = await page.evaluate(async () => JSON.stringify([
      { ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.state,
      await indexedDB.databases(), await caches.keys(),
    ]));
    assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
    const cookies = JSON.stringify(await it.context.cookies());
    assert.ok(it.requests.length > 10);
    for (const part of parts) {
      assert.ok(!stored.includes(part) && !cookies.includes(part));
      for (const { url } of it.requests) assert.ok(!url.includes(part), `a token is in ${url.split('?')[0]}`);
    }
    // With its token the page talks to nobody but the API, at its own origin.
    const told = it.requests.filter(({ headers, body }) => `${JSON.stringify(headers)}${body}`.includes(accessToken));
    assert.deepEqual([...new Set(told.map(({ url }) => url))].sort(),
      Object.keys(it.users.gold.expected).map((path) => `${it.app}api/${it.api}${path}`).sort());
    return { secrets: [...parts, it.code] };
  },

  async 'everything can be done with the keyboard'(page, it) {
    await page.goto(it.app);
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByLabel('Name').waitFor();
    await page.keyboard.type('silver');
    await page.keyboard.press('Tab');
    await page.keyboard.type(it.users.silver.password);
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Allow' }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByText('Signed in as user-silver.').waitFor();
    // Sign out, the two groups of choices, the first call.
    for (let times = 0; times < 4; times += 1) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    const answer = await newest(page, 1);
    assert.equal(answer.call, 'GET /planets');
    assert.equal(answer.status, it.users.silver.expected['/planets']);
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'GET /planets');
  },

  async 'it fits on a telephone'(page, it) {
    await page.setViewportSize({ width: 400, height: 800 });
    await page.goto(it.app);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expectFits(page);
    await enterPassword(page, it, 'gold');
    await page.getByRole('heading', { name: 'What may the app do?' }).waitFor();
    await expectFits(page);
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.getByText('Signed in as user-gold.').waitFor();
    await tryCall(page, '/moons');
    await page.getByText('Body', { exact: true }).click();
    await expectFits(page);
  },
};

// The steps

async function signIn(page, it, name) {
  await page.goto(it.app);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await enterPassword(page, it, name);
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.getByText(`Signed in as user-${name}.`).waitFor();
  assert.equal(page.url(), it.app, 'the answer is taken out of the address');
}

async function enterPassword(page, it, name) {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(it.users[name].password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Signs in as silver up to the authorization server's answer, which does not reach the app. */
async function interceptAnswer(page, it) {
  let caught;
  // Redirects cannot be intercepted, so they are followed here, by hand, with the browser's cookies.
  await page.route('**/consent', async (route) => {
    const consent = await route.fetch({ maxRedirects: 0 });
    const resumed = await it.context.request.get(consent.headers().location, { maxRedirects: 0 });
    caught = new URL(resumed.headers().location);
    await route.fulfill({ body: 'caught' });
  });
  await page.goto(it.app);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await enterPassword(page, it, 'silver');
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.getByText('caught').waitFor();
  assert.ok(caught.href.startsWith(it.app) && caught.searchParams.has('code'), 'this is the answer');
  return caught;
}

async function choose(page, it, sent) {
  await page.getByLabel(it.api === 'rest' ? 'REST API' : 'HTTP API').check();
  if (sent) await page.getByLabel(sent, { exact: true }).check();
}

async function tryCall(page, path) {
  const before = await page.locator('#results > li').count();
  await page.getByRole('button', { name: `GET ${path}` }).click();
  const answer = await newest(page, before + 1);
  assert.equal(answer.call, `GET ${path}`);
  return answer;
}

/** What the page shows of the last call, once it shows that many. */
async function newest(page, count) {
  await page.locator(`#results > li:nth-child(${count})`).waitFor();
  const item = page.locator('#results > li').first();
  const text = async (selector) => (await item.locator(selector).count()) ? item.locator(selector).innerText() : null;
  return {
    status: Number(await text('.status')),
    call: await text('.call'),
    reason: await text('.reason'),
    challenge: await text('.challenge'),
    body: await item.locator('.body').textContent(),
  };
}

async function expectAnswers(page, it, expected) {
  await choose(page, it, 'Your token');
  for (const [path, status] of Object.entries(expected)) {
    const answer = await tryCall(page, path);
    assert.equal(answer.status, status, `${path} is ${answer.status} and not ${status}`);
    if (status === 200) {
      assert.ok(Array.isArray(JSON.parse(answer.body)[path.slice(1)]), 'the backend answered');
      assert.equal(answer.reason, null);
    } else {
      assert.ok(answer.reason, 'a refusal has a reason');
    }
  }
}

async function expectProblem(page, text) {
  await page.locator('#session[aria-busy=false]').waitFor();
  assert.match(await page.getByRole('alert').textContent(), text);
}

async function expectNoSignIn(page, it) {
  assert.equal(it.tokenCalls, 0, 'the code is not used');
  assert.equal(page.url(), it.app, 'the answer is taken out of the address');
  assert.ok(await page.locator('#token').isHidden());
}

async function expectFits(page) {
  const [width, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(width <= room, `${page.url()} is ${width} px wide on a screen of ${room}`);
}

function decoded(token) {
  const [header, claims] = token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  return { header, claims };
}

// The run

/** Keeps what the browser sent and got, so that scenarios can look for what must not be there. */
function watch(context, it) {
  context.on('request', (request) => {
    it.requests.push({ url: request.url(), headers: request.headers(), body: request.postData() ?? '' });
    const { origin, searchParams } = new URL(request.url());
    if (`${origin}/` === it.app && searchParams.has('code')) it.code = searchParams.get('code');
    if (request.url() === `${it.issuer}/token` && request.method() === 'POST') {
      it.tokenCalls += 1;
      // A promise: the page may have shown the token before this has read it.
      it.tokens = request.response().then((answer) => answer.json()).catch(() => null);
    }
  });
  context.on('console', (message) => {
    // Chromium reports every refused call here; the scenarios look at those themselves.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) it.complaints.push(message.text());
  });
  context.on('weberror', (problem) => it.complaints.push(String(problem.error())));
}

async function main() {
  const [name, settings] = process.argv.slice(2);
  const it = { ...JSON.parse(settings), requests: [], complaints: [], tokenCalls: 0 };
  const context = await chromium.launchPersistentContext(it.profile, {
    executablePath: it.chromium, headless: true, args: FLAGS, viewport: { width: 1200, height: 900 },
  });
  try {
    context.setDefaultTimeout(15_000);
    watch(context, it);
    it.context = context;
    const seen = await scenarios[name](context.pages()[0], it);
    assert.deepEqual(it.complaints, [], 'the browser complains of nothing');
    console.log(JSON.stringify(seen ?? {}));
  } finally {
    await context.close();
  }
}

if (process.argv[2] === '--list') {
  console.log(JSON.stringify(Object.keys(scenarios)));
} else {
  await main();
}
