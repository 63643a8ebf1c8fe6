// The pages of the authorization server, as text. They hold no script, and the policy in their
// headers would stop one.

/** Asks for name and password; `problem` says what was wrong with the last ones. */
export function signInPage(context, { interaction, appOrigin, name = '', problem }) {
  if (problem) context.status = 400;
  const describe = problem ? 'aria-describedby="problem" aria-invalid="true"' : '';
  show(context, appOrigin, 'Sign in', `
    <p>The app <strong>Solar system</strong> asks who you are.</p>
    ${problem ? `<p class="problem" id="problem" role="alert">${escaped(problem)}</p>` : ''}
    <form method="post" action="/interaction/${interaction.uid}/sign-in">
      <label for="name">Name</label>
      <input id="name" name="name" value="${escaped(name)}" autocomplete="username" autocapitalize="none"
        spellcheck="false" required ${problem ? '' : 'autofocus'} ${describe}>
      <label for="password">Password</label>
      <input id="password" name="password" type="password" autocomplete="current-password" required
        ${problem ? 'autofocus' : ''} ${describe}>
      <button type="submit">Sign in</button>
    </form>
    ${cancelForm(interaction)}
    <p class="hint">The users are <code>silver</code> and <code>gold</code>. Their passwords are made at every
      start; the demo prints them where it was started.</p>`);
}

/** Shows what the app asks for; what this user may not hold cannot be ticked. */
export function consentPage(context, { interaction, appOrigin, user, asked, offered }) {
  const rows = asked.map((scope, index) => {
    const may = offered.includes(scope);
    return `
      <li>
        <input type="checkbox" id="scope-${index}" name="scope" value="${escaped(scope)}" ${may ? 'checked' : 'disabled'}>
        <label for="scope-${index}"><code>${escaped(scope)}</code>
          ${may ? '' : '<span class="hint">not for you</span>'}</label>
      </li>`;
  });
  show(context, appOrigin, 'What may the app do?', `
    <p>You are <strong>${escaped(user.name)}</strong>. The app <strong>Solar system</strong> asks for these scopes.
      What you leave unticked it does not get.</p>
    <form method="post" action="/interaction/${interaction.uid}/consent">
      <ul class="scopes">${rows.join('')}</ul>
      <button type="submit" autofocus>Allow</button>
    </form>
    ${cancelForm(interaction)}`);
}

/** Asks whether to sign out here too; `form` is the provider's, with its token against forgery. */
export function signOutPage(context, form, appOrigin) {
  show(context, appOrigin, 'Sign out?', `
    <p>The app has forgotten your token. Do you want to sign out here as well?</p>
    ${form}
    <button type="submit" form="op.logoutForm" name="logout" value="yes" autofocus>Sign out</button>
    <button type="submit" form="op.logoutForm" class="quiet">Stay signed in</button>`);
}

export function signedOutPage(context) {
  show(context, undefined, 'Signed out', '<p>You can close this page.</p>');
}

export function expiredPage(context) {
  context.status = 400;
  show(context, undefined, 'Start again', '<p>This sign-in is over or never was. Go back to the app and start again.</p>');
}

/** What the provider shows when it cannot send an error back to the app. */
export function errorPage(context, { error, error_description: description = '' }) {
  show(context, undefined, 'This did not work', `
    <p class="problem" role="alert"><code>${escaped(error)}</code> ${escaped(description)}</p>`);
}

function cancelForm(interaction) {
  return `
    <form method="post" action="/interaction/${interaction.uid}/cancel">
      <button type="submit" class="quiet">Cancel</button>
    </form>`;
}

function show(context, appOrigin, title, content) {
  context.set({
    // The app is named because its redirect follows the form, and browsers hold that against the form.
    'Content-Security-Policy':
      `default-src 'none'; style-src 'self'; form-action 'self' ${appOrigin ?? ''}; base-uri 'none'; frame-ancestors 'none'`,
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
  });
  context.type = 'html';
  context.body = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${escaped(title)} – authorization server</title>
  <link rel="stylesheet" href="/style.css">
</head>
<body>
  <main>
    <p class="place">Authorization server</p>
    <h1>${escaped(title)}</h1>
    ${content}
  </main>
</body>
</html>
`;
}

function escaped(text) {
  return String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
