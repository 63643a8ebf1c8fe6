// Base64url whose last character says more than it has to.

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The same bytes, with the bits of the last character changed that stand for nothing. */
export function otherLastBits(text) {
  const unused = { 2: 4, 3: 2 }[text.length % 4] ?? 0;
  if (!unused) return text;
  return text.slice(0, -1) + ALPHABET[ALPHABET.indexOf(text.at(-1)) | ((1 << unused) - 1)];
}
