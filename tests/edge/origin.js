'use strict';
// Sends a permitted request to the origin and passes the answer on, as CloudFront does for an origin
// with an origin request policy that forwards everything, without a cache.

const http = require('node:http');
const https = require('node:https');
const { HOP_BY_HOP } = require('./limits.js');
const { toWire, flatten } = require('./text.js');
const { pairs } = require('./event.js');

// What CloudFront writes itself, so that what is there already does not go on.
const WRITTEN_HERE = new Set(['host', 'content-length', 'via', 'x-forwarded-for', 'x-amz-cf-id']);

class Origin {
  /** `url` of the origin; `timeoutSeconds` to wait for an answer; `forwardHost`, whether it gets the viewer's Host. */
  constructor({ url, timeoutSeconds = 30, forwardHost = false }) {
    this.url = new URL(url);
    this.client = this.url.protocol === 'https:' ? https : http;
    this.agent = new this.client.Agent({ keepAlive: true });
    this.timeoutMs = timeoutSeconds * 1000;
    this.forwardHost = forwardHost;
  }

  /**
   * Sends `answer`, the request that the function returned for `original`.
   *
   * `incoming` is the viewer's request and `read` what has been taken of its body; `via` and `requestId`
   * are CloudFront's. Returns {response}, or {status, rule, detail} when the origin does not answer.
   */
  send({ answer, original, incoming, read, via, requestId }) {
    const replacement = replacedBody(answer);
    const options = {
      agent: this.agent,
      hostname: this.url.hostname.replace(/^\[|\]$/g, ''),
      port: this.url.port,
      method: answer.method,
      path: this.#path(answer, original, incoming.url),
      headers: this.#headers({ answer, incoming, replacement, via, requestId }),
      timeout: this.timeoutMs,
    };
    return new Promise((resolve) => {
      const request = this.client.request(options);
      request.on('response', (response) => resolve({ response }));
      request.on('timeout', () => request.destroy(new Error('timeout')));
      request.on('error', (error) => resolve(failure(error)));
      incoming.once('close', () => {
        if (!incoming.complete) request.destroy();
      });
      if (replacement !== null) {
        incoming.resume();
        request.end(replacement);
        return;
      }
      if (read.length > 0) request.write(read);
      if (incoming.readableEnded) request.end();
      else incoming.pipe(request);
    });
  }

  stop() {
    this.agent.destroy();
  }

  /** The target of the viewer as it came, unless the function changed it ([all-restrictions]). */
  #path(answer, original, target) {
    const same = answer.uri === original.uri && answer.querystring === original.querystring;
    const query = answer.querystring === '' ? '' : `?${answer.querystring}`;
    return this.url.pathname.replace(/\/$/, '') + (same ? target : toWire(answer.uri + query));
  }

  #headers({ answer, incoming, replacement, via, requestId }) {
    const all = pairs(flatten(answer.headers));
    const values = (wanted) => all.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
    const kept = all.filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()) && !WRITTEN_HERE.has(name.toLowerCase()));
    const framing = replacement !== null ? [['Content-Length', String(replacement.length)]] : framingOf(incoming);
    return [
      ['Host', this.forwardHost ? values('host')[0] : this.url.host],
      ...kept,
      ...framing,
      ['X-Forwarded-For', [...values('x-forwarded-for'), answer.clientIp].join(', ')],
      ['Via', [...values('via'), via].join(', ')],
      ['X-Amz-Cf-Id', requestId],
    ].flat();
  }
}

function replacedBody({ body }) {
  return body?.action === 'replace' ? Buffer.from(body.data, body.encoding === 'base64' ? 'base64' : 'utf8') : null;
}

function framingOf({ headers }) {
  if (headers['transfer-encoding'] !== undefined) return [['Transfer-Encoding', 'chunked']];
  return headers['content-length'] === undefined ? [] : [['Content-Length', headers['content-length']]];
}

function failure(error) {
  if (error.message === 'timeout') return { status: 504, rule: 'origin-timeout', detail: 'the origin did not answer in time' };
  return { status: 502, rule: 'origin-unreachable', detail: `the origin cannot be asked: ${error.code ?? error.message}` };
}

/** The origin's headers for the viewer, [name, value, name, value, ...], with CloudFront's `own` in place of theirs. */
function answerHeaders(rawHeaders, own) {
  const listed = pairs(rawHeaders)
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.toLowerCase().split(',').map((name) => name.trim()));
  const dropped = new Set([...HOP_BY_HOP, ...listed, ...Object.keys(own).map((name) => name.toLowerCase())]);
  return [...pairs(rawHeaders).filter(([name]) => !dropped.has(name.toLowerCase())), ...Object.entries(own)].flat();
}

module.exports = { Origin, answerHeaders };
