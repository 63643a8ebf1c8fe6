'use strict';
// What CloudFront checks in the answer of a viewer-request function: one function for each rule, which
// says what is wrong, or nothing. No sentence holds a value of a header, query or body.
// README.md has a table of the rules and where each is documented.

const limits = require('./limits.js');

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// Horizontal tab is the one control character of a field value (RFC 9110 section 5.5).
const CONTROL_IN_HEADER = /[\x00-\x08\x0a-\x1f\x7f]/;
const NOT_IN_QUERY = /[\x00-\x20\x7f#]/;
const NOT_IN_URI = /[\x00-\x20\x7f#?]/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const NOT_AN_OBJECT = 'result-not-an-object';

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const bytes = (text) => Buffer.byteLength(text, 'utf8');
const kind = (value) => (value === null ? 'null' : Array.isArray(value) ? 'an array' : `of type ${typeof value}`);

// --- both kinds of answers: the map of headers ---

function headersAreAnObject({ headers }) {
  if (!isObject(headers)) return `\`headers\` must be an object, and is ${kind(headers)}`;
}

function namesAreLowerCase({ headers }) {
  const name = Object.keys(headers).find((key) => key !== key.toLowerCase());
  if (name !== undefined) return `the key \`${name}\` of \`headers\` must be in lower case`;
}

function namesAreTokens({ headers }) {
  if (!Object.keys(headers).every((key) => TOKEN.test(key))) return 'a key of `headers` is no name of a header';
}

function entriesAreArrays({ headers }) {
  const name = Object.keys(headers).find((key) => !Array.isArray(headers[key]));
  if (name !== undefined) return `\`headers.${name}\` must be an array, and is ${kind(headers[name])}`;
}

function entriesHoldObjects({ headers }) {
  const name = Object.keys(headers).find((key) => !headers[key].every(isObject));
  if (name !== undefined) return `\`headers.${name}\` must hold objects with \`key\` and \`value\``;
}

function valuesAreStrings({ headers }) {
  const name = Object.keys(headers).find((key) => headers[key].some(({ value }) => typeof value !== 'string'));
  if (name !== undefined) return `each \`value\` in \`headers.${name}\` must be a string`;
}

function keysMatchNames({ headers }) {
  const differs = (key, name) => key !== undefined && (typeof key !== 'string' || key.toLowerCase() !== name);
  const name = Object.keys(headers).find((each) => headers[each].some(({ key }) => differs(key, each)));
  if (name !== undefined) return `each \`key\` in \`headers.${name}\` must be that name, in any case of letters`;
}

function valuesHoldNoControls({ headers }) {
  const wrong = ({ value }) => CONTROL_IN_HEADER.test(value) || !value.isWellFormed();
  const name = Object.keys(headers).find((key) => headers[key].some(wrong));
  if (name !== undefined) return `a value in \`headers.${name}\` has a character that no header may have`;
}

function nothingDisallowedIsAdded({ headers }) {
  const name = Object.keys(headers).find(limits.isDisallowed);
  if (name !== undefined) return `functions must not add the header ${name}`;
}

const HEADER_RULES = [
  ['headers-not-an-object', headersAreAnObject],
  ['header-name-not-lower-case', namesAreLowerCase],
  ['header-name-invalid', namesAreTokens],
  ['header-not-an-array', entriesAreArrays],
  ['header-entry-not-an-object', entriesHoldObjects],
  ['header-value-not-a-string', valuesAreStrings],
  ['header-key-mismatch', keysMatchNames],
  ['header-value-characters', valuesHoldNoControls],
  ['header-disallowed', nothingDisallowedIsAdded],
];

// --- a returned request ---

function uriIsAString({ uri }) {
  if (typeof uri !== 'string') return `\`uri\` must be a string, and is ${kind(uri)}: without \`status\` this is a request`;
}

function uriBeginsWithSlash({ uri }) {
  if (!uri.startsWith('/')) return '`uri` must begin with a slash';
}

function uriHoldsUrlCharacters({ uri }) {
  if (NOT_IN_URI.test(uri)) return '`uri` must not hold a space, a control character, `#` or `?`';
}

function queryIsAString({ querystring }) {
  if (typeof querystring !== 'string') return `\`querystring\` must be a string, and is ${kind(querystring)}`;
}

function queryHoldsUrlCharacters({ querystring }) {
  if (NOT_IN_QUERY.test(querystring)) return '`querystring` must not hold a space, a control character or `#`';
}

function urlIsUtf8({ uri, querystring }) {
  if (!uri.isWellFormed() || !querystring.isWellFormed()) return '`uri` and `querystring` must be text that UTF-8 can hold';
}

function urlIsShort({ uri, querystring }) {
  const length = bytes(uri) + (querystring === '' ? 0 : 1 + bytes(querystring));
  if (length >= limits.RETURNED_URL_CHARACTERS) {
    return `\`uri\` and \`querystring\` must be shorter than ${limits.RETURNED_URL_CHARACTERS}, and are ${length}`;
  }
}

function methodIsUnchanged({ method }, original) {
  if (method !== original.method) return '`method` is read-only';
}

function clientIpIsUnchanged({ clientIp }, original) {
  if (clientIp !== original.clientIp) return '`clientIp` is read-only';
}

function readOnlyHeadersAreUnchanged({ headers }, original) {
  const values = (map, name) => JSON.stringify((map?.[name] ?? []).map(({ value }) => value));
  const name = limits.READ_ONLY_HEADERS.find((each) => values(headers, each) !== values(original.headers, each));
  if (name !== undefined) return `the header ${name} is read-only: it must not be added, changed or deleted`;
}

function viewerCountryIsNotAdded({ headers }, original) {
  const name = 'cloudfront-viewer-country';
  if (headers[name] !== undefined && original.headers?.[name] === undefined) return `viewer-request functions must not add ${name}`;
}

function bodyIsAnObject({ body }) {
  if (body !== undefined && !isObject(body)) return `the \`body\` of a request must be an object, and is ${kind(body)}`;
}

function actionIsKnown({ body }) {
  if (body !== undefined && !['read-only', 'replace'].includes(body.action)) return '`body.action` must be `read-only` or `replace`';
}

const replaced = (body) => body?.action === 'replace';

function replacedBodyWasIncluded({ body }, original) {
  if (replaced(body) && original.body === undefined) return 'the body is not included in the event, so it cannot be replaced';
}

function replacedBodyIsAString({ body }) {
  if (replaced(body) && typeof body.data !== 'string') return `\`body.data\` must be a string, and is ${kind(body.data)}`;
}

function replacedEncodingIsKnown({ body }) {
  if (replaced(body) && !['text', 'base64'].includes(body.encoding)) return '`body.encoding` must be `text` or `base64`';
}

function replacedBodyIsBase64({ body }) {
  if (replaced(body) && body.encoding === 'base64' && !BASE64.test(body.data)) return '`body.data` is not base64';
}

function replacedBodyIsSmall({ body }) {
  if (!replaced(body)) return undefined;
  const limit = body.encoding === 'text' ? limits.REPLACED_TEXT_BYTES : limits.REPLACED_BASE64_CHARACTERS;
  if (bytes(body.data) > limit) return `\`body.data\` must have at most ${limit} bytes as ${body.encoding}, and has ${bytes(body.data)}`;
}

const REQUEST_RULES = [
  ['uri-not-a-string', uriIsAString],
  ['uri-without-slash', uriBeginsWithSlash],
  ['uri-characters', uriHoldsUrlCharacters],
  ['querystring-not-a-string', queryIsAString],
  ['querystring-characters', queryHoldsUrlCharacters],
  ['url-not-utf-8', urlIsUtf8],
  ['url-too-long', urlIsShort],
  ['method-changed', methodIsUnchanged],
  ['client-ip-changed', clientIpIsUnchanged],
  ...HEADER_RULES,
  ['header-read-only', readOnlyHeadersAreUnchanged],
  ['header-viewer-country', viewerCountryIsNotAdded],
  ['body-not-an-object', bodyIsAnObject],
  ['body-action-unknown', actionIsKnown],
  ['body-not-included', replacedBodyWasIncluded],
  ['body-data-not-a-string', replacedBodyIsAString],
  ['body-encoding-unknown', replacedEncodingIsKnown],
  ['body-not-base64', replacedBodyIsBase64],
  ['body-too-large', replacedBodyIsSmall],
];

// --- a generated response ---

function statusIsAString({ status }) {
  if (typeof status !== 'string') return `\`status\` must be a string such as "403", and is ${kind(status)}`;
}

function statusIsInRange({ status }) {
  if (!/^[2-5][0-9][0-9]$/.test(status)) return '`status` must be from 200 to 599';
}

function descriptionIsAString({ statusDescription: text }) {
  if (text !== undefined && typeof text !== 'string') return `\`statusDescription\` must be a string, and is ${kind(text)}`;
}

function descriptionHoldsNoControls({ statusDescription: text = '' }) {
  if (CONTROL_IN_HEADER.test(text) || !text.isWellFormed()) return '`statusDescription` has a character that no status line may have';
}

function nothingReadOnlyIsAdded({ headers }) {
  const name = limits.READ_ONLY_HEADERS.find((each) => headers[each] !== undefined);
  if (name !== undefined) return `functions must not add the header ${name}, which is read-only`;
}

function bodyIsAString({ body }) {
  if (body !== undefined && typeof body !== 'string') return `the \`body\` of a response must be a string, and is ${kind(body)}`;
}

function encodingIsKnown({ bodyEncoding }) {
  if (bodyEncoding !== undefined && !['text', 'base64'].includes(bodyEncoding)) return '`bodyEncoding` must be `text` or `base64`';
}

function bodyIsBase64({ body, bodyEncoding }) {
  if (bodyEncoding === 'base64' && body !== undefined && !BASE64.test(body)) return '`body` is not base64';
}

function noContentHasNoBody({ status, body }) {
  if (status === '204' && body !== undefined) return 'a response with status 204 must not have a `body`';
}

function responseIsSmall({ headers, body = '' }) {
  const lines = Object.entries(headers).flatMap(([name, entries]) => entries.map(({ value }) => `${name}: ${value}\r\n`));
  const size = lines.reduce((sum, line) => sum + bytes(line), bytes(body));
  const limit = limits.GENERATED_RESPONSE_BYTES;
  if (size > limit) return `headers and body must have at most ${limit} bytes together, and have ${size}`;
}

const RESPONSE_RULES = [
  ['status-not-a-string', statusIsAString],
  ['status-out-of-range', statusIsInRange],
  ['status-description-not-a-string', descriptionIsAString],
  ['status-description-characters', descriptionHoldsNoControls],
  ...HEADER_RULES,
  ['header-read-only', nothingReadOnlyIsAdded],
  ['body-not-a-string', bodyIsAString],
  ['body-encoding-unknown', encodingIsKnown],
  ['body-not-base64', bodyIsBase64],
  ['body-with-204', noContentHasNoBody],
  ['response-too-large', responseIsSmall],
];

/**
 * Judges what a function returned for the request that it got, by the first rule that is broken.
 *
 * Returns {kind: 'request' | 'response', answer}, or {kind: 'invalid', rule, detail}. What has a
 * `status` is a response, and everything else a request.
 */
function judge(returned, original) {
  if (!isObject(returned)) {
    return { kind: 'invalid', rule: NOT_AN_OBJECT, detail: `a function must return an object, and this is ${kind(returned)}` };
  }
  const isResponse = 'status' in returned;
  // The rules may rely on what a function may leave out.
  const answer = { headers: {}, querystring: '', ...returned };
  for (const [rule, check] of isResponse ? RESPONSE_RULES : REQUEST_RULES) {
    const detail = check(answer, original);
    if (detail !== undefined) return { kind: 'invalid', rule, detail };
  }
  return { kind: isResponse ? 'response' : 'request', answer };
}

/** The names of all rules. */
const RULES = [...new Set([NOT_AN_OBJECT, ...[...REQUEST_RULES, ...RESPONSE_RULES].map(([name]) => name)])];

module.exports = { judge, RULES };
