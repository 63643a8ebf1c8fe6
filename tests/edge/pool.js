'use strict';
// The instances of one function: at most `concurrency` at a time, each with one event, and a queue for
// the rest. An instance that failed is never used again: the next event gets a new one.

const { Instance } = require('./instance.js');

class Pool {
  /** `options` as for Instance. With `keepAfterError`, an instance whose handler threw is used again. */
  constructor(options, { concurrency = 1, keepAfterError = false } = {}) {
    this.options = options;
    this.free = concurrency;
    this.keepAfterError = keepAfterError;
    this.idle = [];
    this.busy = new Set();
    this.queue = [];
  }

  /** Runs the handler for `event` in an instance, as soon as there is one. Returns what Instance.invoke does. */
  async invoke(event) {
    if (this.free === 0) await new Promise((resolve) => this.queue.push(resolve));
    else this.free -= 1;
    const instance = this.#take();
    this.busy.add(instance);
    try {
      const outcome = await instance.invoke(event);
      const keep = outcome.outcome === 'returned' || (this.keepAfterError && outcome.rule === 'function-error');
      if (keep && instance.usable) this.idle.push(instance);
      else instance.stop();
      return outcome;
    } finally {
      this.busy.delete(instance);
      const next = this.queue.shift();
      if (next === undefined) this.free += 1;
      else next();
    }
  }

  /** Ends all processes at once. */
  stop() {
    for (const instance of [...this.idle, ...this.busy]) instance.stop();
    this.idle = [];
  }

  #take() {
    while (this.idle.length > 0) {
      const instance = this.idle.pop();
      // It may have died of work that it left behind.
      if (instance.usable) return instance;
    }
    return new Instance(this.options);
  }
}

module.exports = { Pool };
