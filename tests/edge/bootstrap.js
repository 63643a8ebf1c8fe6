'use strict';
// What runs inside an instance, in place of Lambda's runtime for Node.js: loads the handler, then runs
// it for one event after the other, as instance.js says over the channel between the two processes.
//
// In:  {type: 'load', root, handler} once, then {type: 'invoke', event, id, limitMs, arn}
// Out: {type: 'log', text}, {type: 'loaded', loadMs}, {type: 'done', result | error, durationMs},
//      and {type: 'crashed', error} for what nobody caught, after which the process ends.

const fs = require('node:fs');
const path = require('node:path');
const util = require('node:util');
const { performance } = require('node:perf_hooks');
const { pathToFileURL } = require('node:url');
const { RESULT_BYTES } = require('./limits.js');

// The handler may change any global, so what is needed later is kept now.
const now = Date.now;
const send = process.send.bind(process);
const channel = process.channel;
const { stringify, parse } = JSON;
process.send = undefined;

// What `require` says of a module that only `import` can load: old versions of Node.js of every ES module,
// newer ones of those that wait at their top level.
const ONLY_BY_IMPORT = ['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE'];

let handle;
let requestId = '';
// What to do when nothing is left to wait for. Lambda answers null for a handler that never answers.
let whenIdle = null;

const LEVELS = { log: 'INFO', info: 'INFO', debug: 'DEBUG', trace: 'TRACE', warn: 'WARN', error: 'ERROR' };
const log = (text) => send({ type: 'log', text });
for (const [method, level] of Object.entries(LEVELS)) {
  console[method] = (...parts) =>
    log(`${new Date(now()).toISOString()}\t${requestId}\t${level}\t${util.format(...parts)}`);
}
for (const stream of [process.stdout, process.stderr]) {
  stream.write = (chunk, encoding, callback) => {
    log(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
    (typeof encoding === 'function' ? encoding : callback)?.();
    return true;
  };
}

process.on('message', (message) => (message.type === 'load' ? load(message) : invoke(message)));
process.on('disconnect', () => process.exit());
process.on('beforeExit', () => {
  const last = whenIdle;
  whenIdle = null;
  last?.();
});
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => send({ type: 'crashed', error: describe(error) }, () => process.exit(129)));
}

async function load({ root, handler }) {
  const started = performance.now();
  try {
    handle = await find(root, handler);
  } catch (error) {
    send({ type: 'crashed', error: describe(error) }, () => process.exit(1));
    return;
  }
  send({ type: 'loaded', loadMs: performance.now() - started });
}

/** `a/b.handler` is the export `handler` of a/b.js, a/b.mjs or a/b.cjs, as Lambda reads it. */
async function find(root, handler) {
  const [, module, name] = /^(.*?[^/.]+)\.([^/]+)$/.exec(handler) ?? [];
  if (module === undefined) throw new Error(`the handler must be FILE.EXPORT, and is ${handler}`);
  const file = ['.js', '.mjs', '.cjs'].map((ending) => path.join(root, module + ending)).find(fs.existsSync);
  if (file === undefined) throw new Error(`the package has no ${module}.js, .mjs or .cjs`);
  const found = name.split('.').reduce((value, part) => value?.[part], await importFile(file));
  if (typeof found !== 'function') throw new Error(`${module} has no function ${name} among its exports`);
  return found;
}

async function importFile(file) {
  try {
    return require(file);
  } catch (error) {
    if (!ONLY_BY_IMPORT.includes(error.code)) throw error;
    return import(pathToFileURL(file));
  }
}

function invoke({ event, id, limitMs, arn }) {
  const started = performance.now();
  requestId = id;
  let finished = false;
  const finish = (outcome) => {
    if (finished) return;
    finished = true;
    whenIdle = null;
    channel.ref();
    send({ type: 'done', ...outcome, durationMs: performance.now() - started });
  };
  const succeed = (value) => finish(marshal(value));
  const fail = (error) => finish({ error: describe(error) });
  const context = {
    awsRequestId: id,
    callbackWaitsForEmptyEventLoop: true,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    invokedFunctionArn: arn,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    getRemainingTimeInMillis: () => Math.max(0, Math.round(limitMs - (performance.now() - started))),
    succeed,
    fail,
    done: (error, value) => (error == null ? succeed(value) : fail(error)),
  };
  const callback = (error, value) => {
    const answer = () => context.done(error, value);
    if (context.callbackWaitsForEmptyEventLoop) whenIdle = answer;
    else answer();
  };
  whenIdle = () => succeed(null);
  // From here on only the handler's own work keeps the process alive, so that it shows when there is none.
  channel.unref();
  try {
    const returned = handle(parse(event), context, callback);
    if (typeof returned?.then === 'function') returned.then(succeed, fail);
  } catch (error) {
    fail(error);
  }
}

function marshal(value) {
  try {
    const result = stringify(value) ?? 'null';
    if (Buffer.byteLength(result) <= RESULT_BYTES) return { result };
    return { error: { type: 'Function.ResponseSizeTooLarge', message: `the result has more than ${RESULT_BYTES} bytes` } };
  } catch (error) {
    return { error: describe(error) };
  }
}

function describe(error) {
  if (!(error instanceof Error)) return { type: typeof error, message: util.format(error) };
  return { type: error.name, message: error.message, stack: error.stack };
}
