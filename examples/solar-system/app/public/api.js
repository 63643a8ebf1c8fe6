// Calls the APIs and says what came back in the words of API Gateway.

/** What an API answered, and what it said about the reason. */
export async function call(api, path, token) {
  const answer = await fetch(`/api/${api}${path}`, {
    cache: 'no-store',
    credentials: 'omit',
    headers: token ? { Authorization: `Bearer ${token}` } : {},
  });
  const body = await answer.text();
  return {
    status: answer.status,
    // API Gateway renames the header where it is not the one that writes it.
    challenge: answer.headers.get('WWW-Authenticate') ?? answer.headers.get('x-amzn-Remapped-WWW-Authenticate'),
    body: parsed(body),
  };
}

/** Why an API refused, as its answer tells it; null for a success. */
export function reason({ status, body }) {
  if (status < 400) return null;
  const texts = [body?.reason, body?.message].filter((text) => typeof text === 'string');
  const told = texts.filter((text) => !text.startsWith('$context.'));
  if (told.length) return told.join(': ');
  if (texts.length) return 'AWS puts the authorizer’s reason and message here. MiniStack leaves their names.';
  return 'The answer does not say.';
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
