'use strict';

// Measures one instance of a Lambda@Edge viewer-request function for portcullis-bench, in this process:
//
//   node --expose-gc edge-driver.cjs HANDLER none|modules none|stub < questions
//
// HANDLER is the file that exports `handler`. With `modules`, what it needs of Node.js is loaded before it; with
// `stub`, its HTTP requests are answered here at once with their own body, which a sideband permit may be. Each line of the
// standard input is a question in JSON; the first answer is about the loading. Answers are lines on the standard error,
// as the standard output has what the function logs.

const { performance } = require('node:perf_hooks');

const [handlerFile, loadedBefore, transport] = process.argv.slice(2);
if (loadedBefore === 'modules') {
  for (const name of ['buffer', 'crypto', 'fs', 'http', 'https', 'path', 'tls', 'url']) require(`node:${name}`);
}
if (transport === 'stub') stub(require('node:http'));

/** The memory of the WebAssembly module, where there is one. */
let linear;
const { Instance } = WebAssembly;
WebAssembly.Instance = function instance(...parts) {
  const made = new Instance(...parts);
  linear = made.exports.memory;
  return made;
};

const processorBefore = process.cpuUsage();
const started = performance.now();
const { handler } = require(handlerFile);
const load = { time: performance.now() - started, processor: processorSince(processorBefore) };

const answer = (value) => require('node:fs').writeSync(2, `${JSON.stringify(value)}\n`);
let event;

/** Milliseconds of the processors that all threads of this process have used since then. */
function processorSince(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** One decision, which must be a permit. As Lambda does, its event is made anew, which is not in the time. */
async function decide() {
  const given = JSON.parse(event);
  const processor = process.cpuUsage();
  const begin = performance.now();
  const result = await handler(given);
  const took = { time: performance.now() - begin, processor: processorSince(processor) };
  if (result.uri !== given.Records[0].cf.request.uri || result.status !== undefined) {
    throw new Error(`expected a permit, got ${JSON.stringify(result)}`);
  }
  return took;
}

const QUESTIONS = {
  /** The times of so many decisions, one by one. */
  async each({ decisions }) {
    const times = [];
    for (let at = 0; at < decisions; at += 1) times.push((await decide()).time);
    return { times };
  },
  /** What one decision takes, over so many, after some that bring back what others have displaced. */
  async round({ decisions }) {
    for (let at = 0; at < decisions / 10; at += 1) await decide();
    let [time, processor] = [0, 0];
    for (let at = 0; at < decisions; at += 1) {
      const took = await decide();
      time += took.time;
      processor += took.processor;
    }
    return { time: time / decisions, processor: processor / decisions };
  },
  /** What the process holds now, in bytes, after so many decisions more. */
  async memory({ decisions }) {
    for (let at = 0; at < decisions; at += 1) await decide();
    global.gc();
    global.gc();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, heapUsed, external, linear: linear?.buffer.byteLength ?? 0, peak: peak() };
  },
};

/** The most memory that the process ever had. */
function peak() {
  const status = require('node:fs').readFileSync('/proc/self/status', 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)[1]) * 1024;
}

/** Replaces `http.request` by what answers 200 with the body of the request, after the caller has returned. */
function stub(http) {
  const { EventEmitter } = require('node:events');
  http.request = (url, options, listener) => {
    const request = new EventEmitter();
    request.reusedSocket = true;
    request.destroy = () => request;
    request.end = (body) => {
      const bytes = Buffer.from(body);
      setImmediate(() => {
        const response = new EventEmitter();
        let decoded = false;
        response.setEncoding = () => { decoded = true; };
        response.statusCode = 200;
        response.complete = true;
        response.headers = { 'content-type': 'application/json', 'content-length': String(bytes.length) };
        response.rawHeaders = ['Content-Type', 'application/json', 'Content-Length', String(bytes.length)];
        listener(response);
        response.emit('data', decoded ? bytes.toString() : bytes);
        response.emit('end');
        response.emit('close');
        request.emit('close');
      });
      return request;
    };
    return request;
  };
}

(async () => {
  answer({ ...load, node: process.version });
  const lines = require('node:readline').createInterface({ input: process.stdin });
  for await (const line of lines) {
    const { ask, ...question } = JSON.parse(line);
    if (ask === 'event') {
      event = JSON.stringify(question.event);
      answer({});
    } else answer(await QUESTIONS[ask](question));
  }
})();
