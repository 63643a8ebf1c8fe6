'use strict';

// What Node.js provides to the WebAssembly module: time, files of the package, the log, HTTP (host-http.js) and
// signatures (host-crypto.js). No function here throws into the module.

const fs = require('node:fs');
const path = require('node:path');
const { randomBytes } = require('node:crypto');
const signatures = require('./host-crypto.js');
const http = require('./host-http.js');

/** The module that is called back, and who is told of answers and of its end. */
let edge;
let told;
const pauses = new Map();

exports.connect = (module, listener) => {
  exports.disconnect();
  edge = module;
  told = listener;
  http.connect({
    received: (...outcome) => enter(module, () => module.received(...outcome)),
    failed: (...outcome) => enter(module, () => module.failed(...outcome)),
  });
};

/** Ends what the module waits for, and lets go of it. */
exports.disconnect = () => {
  for (const timer of pauses.values()) clearTimeout(timer);
  pauses.clear();
  signatures.dropAllKeys();
  http.disconnect();
  edge = undefined;
  told = undefined;
};

/** Calls into the module. What it throws is its end. */
function enter(module, call) {
  // What belonged to a module that broke is over.
  if (module !== edge) return;
  try {
    call();
  } catch (error) {
    edge = undefined;
    told.broken(error);
  }
}
exports.enter = (call) => enter(edge, call);

exports.unixMillis = () => Date.now();
exports.monotonicMillis = () => performance.now();
exports.isoTime = () => new Date().toISOString();
exports.random = () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48;

exports.setPause = (pause, millis) => {
  const module = edge;
  const timer = setTimeout(() => {
    pauses.delete(pause);
    enter(module, () => module.woke(pause));
  }, millis);
  pauses.set(pause, timer);
};
exports.clearPause = (pause) => {
  clearTimeout(pauses.get(pause));
  pauses.delete(pause);
};

/** A file of the package, by its path from the folder of config.js. */
exports.readFile = (name) => {
  try {
    return fs.readFileSync(path.join(__dirname, name), 'utf8');
  } catch {
    return undefined;
  }
};

// A log that nobody takes any more is no reason to end.
process.stdout.on('error', () => {});
/** One line: console.log would put another one's form around it. Lines of the same moment are written together, as each
 * write is a system call that wakes whoever reads. */
exports.writeLine = (line) => {
  if (lines === '') queueMicrotask(writeLines);
  lines += `${line}\n`;
};
let lines = '';

function writeLines() {
  const text = lines;
  lines = '';
  process.stdout.write(text);
}

exports.answered = (call, answer) => told.answered(call, answer);

Object.assign(exports, signatures);
exports.send = http.send;
exports.abort = http.abort;
exports.trust = http.trust;
