// Reads a JWT (RFC 7519) without checking it. That is enough to show one; only the API, which does
// check the signature, may act on what it says.

/** Header and claims of a token. */
export function decode(token) {
  const [header, claims] = token.split('.');
  return { header: json(header), claims: json(claims) };
}

/** The token with other claims and its old signature, which does not fit them. */
export function withClaims(token, claims) {
  const [header, , signature] = token.split('.');
  const bytes = new TextEncoder().encode(JSON.stringify({ ...decode(token).claims, ...claims }));
  const text = btoa(String.fromCharCode(...bytes));
  return `${header}.${text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')}.${signature}`;
}

function json(part) {
  const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (each) => each.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}
