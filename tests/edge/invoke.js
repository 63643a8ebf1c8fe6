'use strict';
// Runs the function for one event, and judges its answer as CloudFront would.

const fs = require('node:fs');
const { Instance } = require('./instance.js');
const { judge } = require('./rules.js');

const STATUS = { request: 0, response: 0, invalid: 1 };
const FAILED = 2;

/** Reads the event from `location`, a file or `-` for the standard input. Throws an Error that says what is wrong. */
function readEvent(location) {
  const event = JSON.parse(fs.readFileSync(location === '-' ? 0 : location, 'utf8'));
  if (typeof event?.Records?.[0]?.cf?.request !== 'object') {
    throw new Error('the event must be one of CloudFront, with Records[0].cf.request');
  }
  return event;
}

/**
 * Runs the function of `options` (see Instance) for `event`. Returns {status, verdict}: the exit status of
 * the runner, and {outcome, rule, detail, result, durationMs, initMs, loadMs, memory, log} with the outcomes
 * 'request' and 'response' for valid answers, 'invalid', 'error' and 'timeout'.
 */
async function invokeOnce(options, event) {
  const instance = new Instance(options);
  const run = await instance.invoke(event);
  instance.stop();
  if (run.outcome !== 'returned') return { status: FAILED, verdict: { detail: run.error?.message ?? null, ...run } };
  const { kind, rule = null, detail = null } = judge(run.result, event.Records[0].cf.request);
  return { status: STATUS[kind], verdict: { ...run, outcome: kind, rule, detail } };
}

module.exports = { readEvent, invokeOnce };
