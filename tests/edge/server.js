'use strict';
// The HTTP side of the runner: takes viewers' requests, has the function run for each, judges what it
// returns, and then asks the origin or answers itself.

const http = require('node:http');
const { randomBytes } = require('node:crypto');
const { performance } = require('node:perf_hooks');
const { sendError, sendGenerated, sendUnreadable } = require('./answers.js');
const { viewerRequest } = require('./event.js');
const { isDisallowed } = require('./limits.js');
const { Origin, answerHeaders } = require('./origin.js');
const { Pool } = require('./pool.js');
const { judge } = require('./rules.js');
const { refusal, startOfBody, viewerHeaders } = require('./viewer.js');

// Far above CloudFront's own limit, so that what is too long for it can be answered as it does.
const READABLE_HEADER_BYTES = 128 * 1024;
// [503], [502]: what CloudFront tells of the function in X-Cache.
const X_CACHE = {
  forwarded: 'Miss',
  generated: 'LambdaGeneratedResponse',
  invalid: 'LambdaValidationError',
  error: 'LambdaExecutionError',
  timeout: 'LambdaLimitExceeded',
  refused: 'Error',
};

/** An identifier like those in the recorded events: 40 bytes in base64 that fits into URLs. */
const newRequestId = () => `${randomBytes(40).toString('base64url')}==`;

class Runner {
  /**
   * `options`: instance (see Instance), concurrency, keepAfterError, origin (see Origin), distribution
   * {domain, id}, aliases, includeBody, viewerHeaders, mtlsHeaders ([name, value] pairs), clientIp.
   * `report` gets an object for each request; README.md says what is in it.
   */
  constructor(options, report) {
    this.options = options;
    this.report = report;
    this.pool = new Pool(options.instance, options);
    this.origin = new Origin(options.origin);
    this.edge = `${randomBytes(16).toString('hex')}.cloudfront.net (CloudFront)`;
    this.server = http.createServer({ maxHeaderSize: READABLE_HEADER_BYTES, requireHostHeader: false });
    this.server.on('request', (incoming, outgoing) => this.#handle(incoming, outgoing));
    this.server.on('clientError', (error, socket) => sendUnreadable(socket, error));
  }

  /** Listens on 127.0.0.1, at a free port for 0. Returns the port. */
  listen(port) {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, '127.0.0.1', () => {
        this.port = this.server.address().port;
        resolve(this.port);
      });
    });
  }

  /** Ends everything at once. */
  stop() {
    this.server.close();
    this.server.closeAllConnections();
    this.pool.stop();
    this.origin.stop();
  }

  async #handle(incoming, outgoing) {
    const began = performance.now();
    const requestId = newRequestId();
    let record;
    try {
      record = await this.#answer(incoming, outgoing, requestId);
    } catch (error) {
      // The viewer went away, or this program is wrong: nothing of it may look like an answer of the origin.
      record = { status: null, outcome: 'aborted', detail: error.message };
      outgoing.destroy();
    }
    this.report({ requestId, method: incoming.method, ...record, totalMs: Math.round((performance.now() - began) * 1000) / 1000 });
  }

  async #answer(incoming, outgoing, requestId) {
    const { options } = this;
    const request = this.#request(incoming);
    const refused = refusal(request, this.#names());
    if (refused !== undefined) return this.#fail(incoming, outgoing, requestId, 'refused', refused);

    const body = options.includeBody ? await startOfBody(incoming) : null;
    const mtls = options.mtlsHeaders;
    const event = viewerRequest({
      request,
      requestId,
      distribution: options.distribution,
      body,
      added: [...(options.viewerHeaders ? viewerHeaders(request) : []), ...mtls],
    });
    const run = await this.pool.invoke(event);
    const { durationMs, initMs, loadMs, memory, log } = run;
    const measured = { durationMs, initMs, loadMs, memory, log };
    if (run.outcome !== 'returned') {
      const failed = { status: 503, rule: run.rule, detail: run.error?.message ?? 'the function did not answer in time' };
      return { ...this.#fail(incoming, outgoing, requestId, run.outcome, failed), ...measured, error: run.error };
    }
    const original = event.Records[0].cf.request;
    const { kind, answer, ...broken } = judge(run.result, original);
    if (kind === 'invalid') {
      return { ...this.#fail(incoming, outgoing, requestId, 'invalid', { status: 502, ...broken }), ...measured };
    }
    if (kind === 'response') {
      incoming.resume();
      sendGenerated(outgoing, answer, this.#own(requestId, X_CACHE.generated, incoming));
      return { status: Number(answer.status), outcome: 'generated', rule: null, ...measured };
    }
    // Certificates are for the origin alone ([mtls]).
    const hidden = mtls.filter(([name]) => isDisallowed(name.toLowerCase()));
    for (const [key, value] of hidden) answer.headers[key.toLowerCase()] = [{ key, value }];
    const read = body?.read ?? Buffer.alloc(0);
    return { ...(await this.#forward({ answer, original, incoming, outgoing, read, requestId })), ...measured };
  }

  async #forward({ incoming, outgoing, requestId, ...rest }) {
    const { response, ...failed } = await this.origin.send({ ...rest, incoming, via: this.#via(incoming), requestId });
    if (response === undefined) return this.#fail(incoming, outgoing, requestId, 'forwarded', failed);
    const { statusCode: status, statusMessage, rawHeaders } = response;
    const own = this.#own(requestId, status < 400 ? X_CACHE.forwarded : X_CACHE.refused, incoming);
    outgoing.writeHead(status, statusMessage, answerHeaders(rawHeaders, own));
    // Neither side is left waiting for the other when one of them goes away.
    response.on('error', () => outgoing.destroy());
    outgoing.on('close', () => response.destroy());
    response.pipe(outgoing);
    return { status, outcome: 'forwarded', rule: null };
  }

  #fail(incoming, outgoing, requestId, outcome, failed) {
    incoming.resume();
    const xCache = outcome === 'forwarded' ? X_CACHE.refused : X_CACHE[outcome];
    sendError(outgoing, failed, this.#own(requestId, xCache, incoming));
    return { status: failed.status, outcome, rule: failed.rule, detail: failed.detail };
  }

  #via({ httpVersion }) {
    return `${httpVersion} ${this.edge}`;
  }

  #own(requestId, xCache, incoming) {
    return { 'X-Cache': `${xCache} from cloudfront`, Via: this.#via(incoming), 'X-Amz-Cf-Id': requestId };
  }

  /** The Host headers that are known, or null for any: with aliases, a distribution refuses all others. */
  #names() {
    const { aliases, distribution } = this.options;
    return aliases.length === 0 ? null : [...aliases, distribution.domain].map((name) => name.toLowerCase());
  }

  /** The request as it came, but for a viewer who had to write the runner's own address into Host. */
  #request({ method, url, rawHeaders, httpVersion, socket }) {
    const [alias] = this.options.aliases;
    const here = [`127.0.0.1:${this.port}`, `localhost:${this.port}`];
    const isOwnHost = (index) => rawHeaders[index - 1].toLowerCase() === 'host' && here.includes(rawHeaders[index]);
    const replaced = (value, index) => (alias !== undefined && index % 2 === 1 && isOwnHost(index) ? alias : value);
    return {
      method,
      url,
      httpVersion,
      rawHeaders: rawHeaders.map(replaced),
      clientIp: this.options.clientIp ?? socket.remoteAddress,
      clientPort: socket.remotePort,
    };
  }
}

module.exports = { Runner, newRequestId };
