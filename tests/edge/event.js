'use strict';
// The viewer-request event of a request: the shape of the recorded ones ([event-structure]), with what
// functions do not see left out.

const limits = require('./limits.js');
const { fromWire } = require('./text.js');

/**
 * Builds the event.
 *
 * `request` has method, url (the target as it came), rawHeaders and clientIp; `distribution` has domain
 * and id; `body` is {start: Buffer, truncated}, or null where the function does not see bodies; `added` are
 * [name, value] pairs that CloudFront itself puts there, in place of what the viewer sent.
 */
function viewerRequest({ request, requestId, distribution, body, added }) {
  const [uri, ...query] = request.url.split('?');
  const event = {
    config: {
      distributionDomainName: distribution.domain,
      distributionId: distribution.id,
      eventType: 'viewer-request',
      requestId,
    },
    request: {
      clientIp: request.clientIp,
      headers: headerMap(request.rawHeaders, added),
      method: request.method,
      querystring: query.join('?'),
      uri,
    },
  };
  if (body !== null && limits.WRITABLE_METHODS.includes(request.method)) {
    event.request.body = {
      inputTruncated: body.truncated,
      action: 'read-only',
      encoding: 'base64',
      data: body.start.toString('base64'),
    };
  }
  return { Records: [{ cf: event }] };
}

function headerMap(rawHeaders, added) {
  const own = new Set(added.map(([name]) => name.toLowerCase()));
  const sent = pairs(rawHeaders).filter(([name]) => !own.has(name.toLowerCase()));
  // Without a prototype, so that a header may have any name.
  const headers = Object.create(null);
  for (const [key, value] of [...sent, ...added]) {
    const name = key.toLowerCase();
    if (limits.isDisallowed(name)) continue;
    (headers[name] ??= []).push({ key, value: fromWire(value) });
  }
  return headers;
}

/** [name, value, name, value, ...] as [[name, value], ...]. */
function pairs(flat) {
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[2 * index], flat[2 * index + 1]]);
}

module.exports = { viewerRequest, pairs };
