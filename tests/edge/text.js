'use strict';
// Text and bytes: Node.js hands over URLs and headers one character for each byte, CloudFront as UTF-8.
// [all-restrictions] in README.md: what is UTF-8 stays as it is, everything else counts as ISO-8859-1.

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What a function sees of `raw`, which has one character for each byte. */
function fromWire(raw) {
  try {
    return utf8.decode(Buffer.from(raw, 'latin1'));
  } catch {
    return raw;
  }
}

/** `text` in UTF-8, with one character for each byte, as node:http wants it. */
function toWire(text) {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** `www-authenticate` -> `Www-Authenticate`: the name for a header whose `key` a function leaves out. */
function capitalized(name) {
  return name.replace(/(^|-)([a-z])/g, (_, before, letter) => before + letter.toUpperCase());
}

/** The headers of a function as [name, value, name, value, ...] for node:http. */
function flatten(headers) {
  return Object.entries(headers).flatMap(([name, entries]) =>
    entries.flatMap(({ key, value }) => [key ?? capitalized(name), toWire(value)]),
  );
}

module.exports = { fromWire, toWire, flatten };
