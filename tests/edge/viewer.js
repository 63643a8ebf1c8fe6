'use strict';
// What CloudFront does with a viewer's request before the function runs: refuses some, takes the start
// of the body, and adds headers of its own.

const limits = require('./limits.js');
const { pairs } = require('./event.js');

const NOT_IN_TARGET = /[\x00-\x20\x7f#]/;

/**
 * Why CloudFront answers `request` itself: {status, rule, detail}, or undefined when the function is asked.
 *
 * `names` are the Host headers that the distribution knows, or null when it takes any.
 */
function refusal(request, names) {
  const headers = pairs(request.rawHeaders);
  const has = (name) => headers.filter(([key]) => key.toLowerCase() === name);
  const hosts = has('host');
  if (hosts.length !== 1) return bad(400, 'request-host', 'a request has one Host header (RFC 9112 section 3.2)');
  const host = hosts[0][1];
  if (!request.url.startsWith('/') || NOT_IN_TARGET.test(request.url)) {
    return bad(400, 'request-target', 'the target must be a path and a query, and begin with a slash');
  }
  const url = Buffer.byteLength(`https://${host}${request.url}`, 'latin1');
  if (url > limits.URL_BYTES) return bad(413, 'request-url-too-long', `the URL has ${url} bytes; the limit is ${limits.URL_BYTES}`);
  const size = requestBytes(request, headers);
  if (size > limits.REQUEST_BYTES) {
    return bad(413, 'request-too-long', `the request has ${size} bytes without its body; the limit is ${limits.REQUEST_BYTES}`);
  }
  if (names !== null && !names.includes(host.toLowerCase())) {
    return bad(403, 'request-host', 'this is neither the domain of the distribution nor one of its aliases');
  }
  if (!limits.METHODS.includes(request.method)) return bad(403, 'request-method', 'CloudFront does not pass this method on');
  const length = Number(has('content-length')[0]?.[1] ?? 0);
  if (request.method === 'GET' && (length > 0 || has('transfer-encoding').length > 0)) {
    return bad(403, 'request-get-with-body', 'a GET request must not have a body');
  }
  return undefined;
}

const bad = (status, rule, detail) => ({ status, rule, detail });

function requestBytes({ method, url }, headers) {
  const line = `${method} ${url} HTTP/1.1\r\n`.length;
  return headers.reduce((sum, [name, value]) => sum + name.length + value.length + ': \r\n'.length, line + 2);
}

/**
 * Reads the part of the body that a function sees: {start, truncated}. Returns it with `read`, which is
 * what was taken from `incoming` for that; the rest is still there. Rejects when the viewer goes away.
 */
function startOfBody(incoming) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let size = 0;
    const stop = () => {
      incoming.pause();
      incoming.off('data', take).off('end', stop).off('error', reject).off('close', gone);
      const read = Buffer.concat(chunks);
      resolve({ read, start: read.subarray(0, limits.EXPOSED_BODY_BYTES), truncated: size > limits.EXPOSED_BODY_BYTES });
    };
    const take = (chunk) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > limits.EXPOSED_BODY_BYTES) stop();
    };
    const gone = () => reject(new Error('the viewer went away'));
    incoming.on('data', take).on('end', stop).on('error', reject).on('close', gone);
  });
}

/** The headers about the viewer that a distribution can be told to add ([cloudfront-headers]). IPv6 has no brackets. */
function viewerHeaders({ clientIp, clientPort, httpVersion }) {
  return [
    ['CloudFront-Viewer-Address', `${clientIp}:${clientPort}`],
    ['CloudFront-Viewer-Http-Version', httpVersion],
  ];
}

module.exports = { refusal, startOfBody, viewerHeaders };
