'use strict';

// The handler of the Lambda@Edge function. It hands each event to the WebAssembly module and gives back its answer.
// Whatever goes wrong, the viewer gets a response of this file and the request goes no further.

const host = require('./host.js');

/** What is answered where there is no answer: CloudFront would show a page of its own for an error. */
const UNAVAILABLE = {
  status: '503',
  statusDescription: 'Service Unavailable',
  headers: { 'cache-control': [{ key: 'Cache-Control', value: 'no-store' }] },
};
/** How much longer than a decision may take the answer to it is waited for, and how long before Lambda ends the function
 * an answer is given in any case; in milliseconds. */
const MARGIN = 1000;
const LAST_MOMENT = 250;
/** What Lambda puts into the environment; nothing else can be there (CloudFront, "Restrictions on Lambda@Edge"). */
const RESERVED = ['AWS_REGION', 'AWS_LAMBDA_FUNCTION_NAME', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN', 'AWS_ENDPOINT_URL'];
const MODULE = require.resolve('./portcullis_edge.js');

/** The module, while it works; and the time that a decision may take. */
let running;
/** Why the settings cannot be used, for as long as this instance lives: no event changes them. */
let refused;
/** Events that are being answered: the number of the call, and who waits for the answer. */
const calls = new Map();
let lastCall = 0;

function start() {
  if (refused) throw refused;
  letGo();
  const edge = require(MODULE);
  host.connect(edge, { answered, broken });
  const reserved = Object.fromEntries(RESERVED.map((name) => [name, process.env[name]]));
  try {
    running = { edge, budget: edge.start(settings(), JSON.stringify(reserved)) };
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) refused = error;
    throw error;
  }
}

/**
 * Lets go of a module that broke: it has left its memory as it was, so a new one is made, and the function has no room for
 * both. V8 collects the old one by itself only under pressure, and by then Lambda has ended the function.
 */
function letGo() {
  if (!require.cache[MODULE]) return;
  host.disconnect();
  delete require.cache[MODULE];
  module.children = module.children.filter(({ filename }) => filename !== MODULE);
  // Node.js documentation, "Command-line API", --expose-gc.
  require('node:v8').setFlagsFromString('--expose-gc');
  require('node:vm').runInNewContext('globalThis.gc')?.();
}

/** What config.js exports, in JSON. Messages of JavaScript may quote a secret, so an error says where and no more. */
function settings() {
  try {
    return JSON.stringify(require('./config.js')) ?? 'null';
  } catch (error) {
    const [, line] = /config\.js:(\d+)/.exec(error?.stack) ?? [];
    throw new Error(`config.js: no JavaScript that exports settings${line ? `, see line ${line}` : ''}`);
  }
}

function answered(call, answer) {
  const resolve = calls.get(call);
  calls.delete(call);
  if (resolve) resolve(answer);
}

/** The module cannot go on: whoever waits is answered, and the next event gets a new module. */
function broken(error) {
  running = undefined;
  report('the function broke', error);
  for (const call of [...calls.keys()]) answered(call, UNAVAILABLE);
}

function report(message, error) {
  const detail = error instanceof Error ? error.message : String(error);
  host.writeLine(JSON.stringify({ timestamp: host.isoTime(), level: 'ERROR', message, detail }));
}

function answer(event, context) {
  return new Promise((resolve) => {
    const call = ++lastCall;
    const left = context?.getRemainingTimeInMillis?.() ?? Infinity;
    const patience = Math.max(0, Math.min(running.budget + MARGIN, left - LAST_MOMENT));
    const late = setTimeout(() => {
      report('no answer in time', `more than ${patience} ms`);
      answered(call, UNAVAILABLE);
    }, patience);
    calls.set(call, (given) => {
      clearTimeout(late);
      resolve(given);
    });
    host.enter(() => running.edge.handle(call, JSON.stringify(event)));
  });
}

try {
  start();
} catch (error) {
  running = undefined;
  report('the function cannot start', error);
}

exports.handler = async (event, context) => {
  try {
    if (!running) start();
    const given = await answer(event, context);
    return typeof given === 'string' ? JSON.parse(given) : given;
  } catch (error) {
    report('the event could not be answered', error);
    return UNAVAILABLE;
  }
};
