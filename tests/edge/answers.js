'use strict';
// What the viewer gets when the origin is not asked: the response that a function made, or an error.

const http = require('node:http');
const { toWire, flatten } = require('./text.js');

/** Sends the response of a function, `answer`, with CloudFront's `own` headers. */
function sendGenerated(outgoing, answer, own) {
  const body = Buffer.from(answer.body ?? '', answer.bodyEncoding === 'base64' ? 'base64' : 'utf8');
  const status = Number(answer.status);
  // RFC 9110 section 8.6: neither of them has a body, and 204 no Content-Length.
  const framing = status === 204 || status === 304 ? {} : { 'Content-Length': body.length };
  const description = toWire(answer.statusDescription ?? http.STATUS_CODES[status] ?? '');
  outgoing.writeHead(status, description, [...flatten(answer.headers), ...Object.entries({ ...framing, ...own }).flat()]);
  outgoing.end(body);
}

/** Sends an error that names the rule which was broken, in a header and in the body. */
function sendError(outgoing, { status, rule, detail }, own = {}) {
  const body = [
    `${status} ${http.STATUS_CODES[status]}`,
    `rule: ${rule}`,
    detail,
    'Answered by the viewer-request runner of tests/edge, which stands in for CloudFront.',
    '',
  ].join('\n');
  // CloudFront closes the connection after a request that is too long.
  const connection = status === 413 ? { Connection: 'close' } : {};
  outgoing.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'X-Runner-Rule': rule,
    ...connection,
    ...own,
  });
  outgoing.end(body);
}

/** The same on a bare connection, for what node:http could not read. */
function sendUnreadable(socket, error) {
  if (!socket.writable) return socket.destroy();
  const tooLong = error.code?.endsWith('HEADER_OVERFLOW') === true;
  const status = tooLong ? 413 : 400;
  const rule = tooLong ? 'request-too-long' : 'request-unreadable';
  return socket.end(
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nX-Runner-Rule: ${rule}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
  );
}

module.exports = { sendGenerated, sendError, sendUnreadable };
