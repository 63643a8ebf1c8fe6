'use strict';
// Hands events to one instance of a function, and says what became of each: for events that no HTTP request makes.
//
//   node tests/edge/feed.js --package DIR|ZIP [OPTIONS of runner.js about the function]
//
// Reads a line of JSON for each command, {"event": ...}, {"freeze": true} or {"thaw": true}, and answers with a line:
// what Instance.invoke returns, with `kind`, `rule` and `detail` of the verdict of rules.js; {} for the other two.
// `freeze` stops the process as Lambda does between events.

const readline = require('node:readline');
const { Instance } = require('./instance.js');
const { readOptions } = require('./options.js');
const { openPackage } = require('./package.js');
const { judge } = require('./rules.js');

const options = readOptions([...process.argv.slice(2), '--event=-']);
const code = openPackage(options.package);
process.on('exit', code.close);
const instance = new Instance({ ...options.instance, root: code.root });

async function obey({ event, freeze, thaw }) {
  if (freeze) instance.child.kill('SIGSTOP');
  if (thaw) instance.child.kill('SIGCONT');
  if (freeze || thaw) return {};
  const run = await instance.invoke(event);
  if (run.outcome !== 'returned') return run;
  const { kind, rule, detail } = judge(run.result, event?.Records?.[0]?.cf?.request ?? {});
  return { ...run, kind, rule, detail };
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await obey(JSON.parse(line)))}\n`);
  }
  instance.stop();
  process.exit();
}

main();
