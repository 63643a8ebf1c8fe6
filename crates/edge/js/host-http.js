'use strict';

// HTTP for the WebAssembly module: connections kept open between events, certificates always checked, no redirect
// followed, no more of an answer read than is asked for.

const http = require('node:http');
const https = require('node:https');
const tls = require('node:tls');
const { X509Certificate } = require('node:crypto');

/** Most dead connections that one request skips: the function is frozen between events, and servers hang up. */
const MAX_DEAD = 8;
/** An idle connection is kept for 50 s: load balancers close theirs after a minute or more. */
const KEPT = { keepAlive: true, maxFreeSockets: 64, scheduling: 'lifo', timeout: 50_000 };
const plain = new http.Agent(KEPT);
let secure = new https.Agent({ ...KEPT, rejectUnauthorized: true });

let told;
const underWay = new Map();

exports.connect = (listener) => {
  told = listener;
};

/** Ends every request that is under way. */
exports.disconnect = () => {
  for (const exchange of [...underWay.values()]) exchange.end();
  told = undefined;
};

/** Trusts the certificates of a PEM text beside those of Node.js; false where it holds none. */
exports.trust = (pem) => {
  try {
    const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
    for (const block of blocks) new X509Certificate(block);
    // Its idle connections are of no use to the next one.
    secure.destroy();
    secure = new https.Agent({ ...KEPT, rejectUnauthorized: true, ca: [...tls.rootCertificates, ...blocks] });
    return true;
  } catch {
    return false;
  }
};

/** Header fields, names and values in turn, as Node.js takes them. */
function grouped(fields) {
  const headers = { __proto__: null };
  for (let at = 0; at < fields.length; at += 2) {
    const [name, value] = [fields[at], fields[at + 1]];
    headers[name] = name in headers ? [headers[name], value].flat() : value;
  }
  return headers;
}

exports.send = (number, method, url, fields, body, millis, maxBytes) => {
  // A view into the memory of the module, which is another text after this call.
  const copy = Buffer.from(body);
  const exchange = { done: false };
  const finish = (tell) => {
    if (exchange.done) return;
    exchange.end();
    tell();
  };
  const fail = (kind, cause) => finish(() => told.failed(number, kind, cause));
  exchange.end = () => {
    exchange.done = true;
    underWay.delete(number);
    clearTimeout(exchange.timer);
    exchange.request?.destroy();
  };
  // An instance that was frozen meanwhile has an answer to read first: timers come before it.
  exchange.timer = setTimeout(() => setImmediate(() => fail('timeout', '')), millis);
  underWay.set(number, exchange);

  const read = (response) => {
    const chunks = [];
    let bytes = 0;
    response.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes > maxBytes) fail('too_large', '');
      else chunks.push(chunk);
    });
    response.on('end', () => {
      if (!response.complete) return;
      // The connection goes back to the others, so it is not to be closed.
      exchange.request = undefined;
      finish(() => told.received(number, response.statusCode, response.rawHeaders, Buffer.concat(chunks)));
    });
    response.on('error', (error) => fail('network', cause(error)));
    response.on('close', () => fail('network', 'the answer broke off'));
  };
  const attempt = (dead) => {
    const target = new URL(url);
    const [library, agent] = target.protocol === 'https:' ? [https, secure] : [http, plain];
    let answered = false;
    const request = library.request(target, { method, agent, headers: grouped(fields) }, (response) => {
      answered = true;
      read(response);
    });
    exchange.request = request;
    request.on('error', (error) => {
      if (exchange.done) return;
      if (request.reusedSocket && !answered && dead < MAX_DEAD) attempt(dead + 1);
      else fail('network', cause(error));
    });
    request.on('close', () => {
      // As after 101, which Node.js takes for no answer and for no error.
      if (!answered && exchange.request === request) fail('network', 'the connection was closed without an answer');
    });
    request.end(copy.length > 0 ? copy : undefined);
  };
  try {
    attempt(0);
  } catch (error) {
    // Not within the call of the module.
    setImmediate(() => fail('network', cause(error)));
  }
};

exports.abort = (number) => {
  underWay.get(number)?.end();
};

/** What went wrong, without anything that was sent. */
function cause(error) {
  const first = error.errors?.[0] ?? error;
  return first.code === undefined || first.message?.includes(first.code) ? first.message : `${first.code}: ${first.message}`;
}
