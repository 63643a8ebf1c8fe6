'use strict';
// One instance of a function, as Lambda would run it: a process of its own with Lambda's environment
// variables, a limit of memory and a limit of time. It handles one event at a time.
//
// Usable alone, for example by a benchmark:
//
//   const { Instance } = require('./instance.js');
//   const instance = new Instance({ root: '/tmp/unpacked' });
//   const { outcome, result, durationMs, initMs, memory } = await instance.invoke(event);
//   instance.stop();

const path = require('node:path');
const { fork } = require('node:child_process');
const { randomUUID } = require('node:crypto');
const { performance } = require('node:perf_hooks');
const { FUNCTION_NAME, FUNCTION_VERSION, variables } = require('./environment.js');
const { INITIALIZATION_SECONDS } = require('./limits.js');
const { peakMb } = require('./memory.js');

const DEFAULTS = {
  handler: 'aws-lambda-authorizer/src/aws-lambda-authorizer.handler',
  memoryMb: 128,
  timeoutSeconds: 5,
  region: 'us-east-1',
  credentialsFromEnv: false,
  awsEndpoint: null,
};
const ARN = `arn:aws:lambda:us-east-1:123456789012:function:${FUNCTION_NAME.split('.')[1]}:${FUNCTION_VERSION}`;
const MEMORY_CHECK_MS = 10;
// What is kept of the output of one invocation: enough to read, and bounded.
const LOG_CHARACTERS = 256 * 1024;
// How long a dead process may take to hand over the rest of its output.
const LAST_OUTPUT_MS = 500;

/** Milliseconds to the microsecond; null stays null. */
const rounded = (ms) => (ms === null ? null : Math.round(ms * 1000) / 1000);

class Instance {
  /**
   * `options`: root, the directory of the package; handler; memoryMb; timeoutSeconds; region;
   * credentialsFromEnv, whether the AWS credentials of this process are passed on; awsEndpoint, an address to ask in
   * place of AWS, or null. Only root is required.
   */
  constructor(options) {
    this.options = { ...DEFAULTS, ...options };
    this.child = null;
    this.exited = false;
    this.ended = false;
    this.crash = null;
    this.memory = null;
    this.log = [];
    this.logged = 0;
    this.reason = null;
    this.settle = null;
  }

  /** Whether another event can be given to it, now or when it has been started. */
  get usable() {
    return !this.exited && this.reason === null;
  }

  /**
   * Starts the process and loads the handler, unless that is done. Returns {initMs, loadMs}: from the
   * start of the process to the loaded handler, and the loading alone; or what `invoke` says of failures.
   */
  async start() {
    if (this.child !== null) return { initMs: null, loadMs: null };
    const { root, handler, memoryMb } = this.options;
    this.child = fork(path.join(__dirname, 'bootstrap.js'), [], {
      cwd: root,
      env: variables(this.options),
      // V8 is told to stay below the limit, and keeps its space for new objects small. Lambda does so too.
      execArgv: [`--max-old-space-size=${Math.floor(memoryMb * 0.9)}`, `--max-semi-space-size=${Math.ceil(memoryMb * 0.05)}`],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#listen();
    const reply = await this.#exchange({ type: 'load', root, handler }, INITIALIZATION_SECONDS);
    const times = { initMs: rounded(reply.elapsedMs), loadMs: rounded(reply.loadMs ?? null) };
    return reply.type === 'loaded' ? times : { ...times, ...this.#failure(reply, 'initialization') };
  }

  /**
   * Runs the handler for `event`, an object, after starting the process if need be.
   *
   * Returns {outcome, durationMs, initMs, loadMs, memory, log}. `outcome` is 'returned', with `result`;
   * 'error', with `rule` and `error` {type, message}; or 'timeout', with `rule`. `initMs` and `loadMs` are
   * null when the process was there already, `memory` is the peak in MB so far, `log` what was printed.
   */
  async invoke(event) {
    if (this.settle !== null) throw new Error('an instance handles one event at a time');
    const started = await this.start();
    if (started.outcome !== undefined) return this.#report({ durationMs: 0, ...started });
    const { timeoutSeconds } = this.options;
    const message = { type: 'invoke', event: JSON.stringify(event), id: randomUUID(), limitMs: timeoutSeconds * 1000, arn: ARN };
    const reply = await this.#exchange(message, timeoutSeconds);
    const durationMs = rounded(reply.durationMs ?? reply.elapsedMs);
    if (reply.type === 'done' && reply.error === undefined) {
      return this.#report({ ...started, outcome: 'returned', result: JSON.parse(reply.result), durationMs });
    }
    return this.#report({ ...started, ...this.#failure(reply, 'function'), durationMs });
  }

  /** Ends the process at once. */
  stop() {
    this.#end('stopped');
  }

  #listen() {
    const { child } = this;
    const gone = (code, signal) => {
      if (this.ended) return;
      this.ended = true;
      this.settle?.({ type: 'gone', code, signal });
    };
    child.on('message', (message) => this.#receive(message));
    // 'close' comes when all output is here, and never if somebody else holds on to it.
    child.on('close', gone);
    child.on('exit', (code, signal) => {
      this.exited = true;
      setTimeout(() => gone(code, signal), LAST_OUTPUT_MS);
    });
    child.on('error', (error) => {
      this.exited = true;
      this.#write(`the process failed: ${error.message}`);
      gone(null, null);
    });
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => this.#write(text));
  }

  #receive(message) {
    if (message.type === 'log') this.#write(message.text);
    else if (message.type === 'crashed') this.crash = message.error;
    else this.settle?.(message);
  }

  #write(text) {
    if (this.logged > LOG_CHARACTERS) return;
    this.logged += text.length;
    this.log.push(this.logged > LOG_CHARACTERS ? '(the rest of the output is left out)' : text.replace(/\n$/, ''));
  }

  #exchange(message, seconds) {
    return new Promise((resolve) => {
      const began = performance.now();
      const timer = setTimeout(() => this.#end('timeout'), seconds * 1000);
      const watch = setInterval(() => this.#checkMemory(), MEMORY_CHECK_MS);
      this.settle = (reply) => {
        const elapsedMs = performance.now() - began;
        // An answer that comes too late, or from too much memory, is none. The last look at the memory
        // finds what came and went between two others.
        if (reply.type !== 'gone' && (this.reason !== null || !this.#checkMemory())) return;
        clearTimeout(timer);
        clearInterval(watch);
        this.settle = null;
        resolve({ ...reply, elapsedMs });
      };
      if (this.ended) this.settle({ type: 'gone', code: null, signal: null });
      // A failure to send means that the process is gone, which 'close' reports.
      else this.child.send(message, () => {});
    });
  }

  /** Notes the memory of the process; ends it and says false when that is too much. */
  #checkMemory() {
    const peak = peakMb(this.child.pid);
    if (peak === null) return true;
    this.memory = Math.max(this.memory ?? 0, Math.round(peak * 10) / 10);
    if (peak <= this.options.memoryMb) return true;
    this.#end('memory');
    return false;
  }

  #end(reason) {
    this.reason ??= reason;
    this.child?.kill('SIGKILL');
  }

  /** What a reply other than the wanted one means; `phase` is 'initialization' or 'function'. */
  #failure(reply, phase) {
    if (this.reason === 'timeout') return { outcome: 'timeout', rule: `${phase}-timeout` };
    if (this.reason === 'memory') {
      const message = `the process had more than ${this.options.memoryMb} MB`;
      return { outcome: 'error', rule: 'out-of-memory', error: { type: 'Runtime.OutOfMemory', message } };
    }
    if (reply.type === 'done') return { outcome: 'error', rule: 'function-error', error: reply.error };
    const ending = reply.signal === null ? `status ${reply.code}` : `signal ${reply.signal}`;
    const exit = { type: 'Runtime.ExitError', message: `the process ended with ${ending}` };
    const rule = phase === 'initialization' ? 'initialization-error' : 'function-crashed';
    return { outcome: 'error', rule, error: this.crash ?? exit };
  }

  #report(outcome) {
    const { log } = this;
    this.log = [];
    this.logged = 0;
    return { initMs: null, loadMs: null, ...outcome, memory: this.memory, log };
  }
}

module.exports = { Instance, DEFAULTS };
