'use strict';
// The viewer-request runner. It is a STAND-IN for CloudFront: it runs a Lambda@Edge viewer-request function
// on this machine and does with its answers what Amazon documents that CloudFront does. It is not CloudFront,
// and README.md lists what differs. It was written from Amazon's documentation alone, and knows nothing of
// the function, because it judges it.
//
//   node tests/edge/runner.js --help

const { invokeOnce, readEvent } = require('./invoke.js');
const { HELP, readOptions } = require('./options.js');
const { openPackage } = require('./package.js');
const { Runner } = require('./server.js');

const FAILED = 2;

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.help) return process.stdout.write(HELP);
  const event = options.event === null ? null : readEvent(options.event);
  const code = openPackage(options.package);
  process.on('exit', code.close);
  options.instance.root = code.root;
  if (event !== null) {
    const { status, verdict } = await invokeOnce(options.instance, event);
    console.log(JSON.stringify(verdict, null, 2));
    process.exitCode = status;
    return undefined;
  }
  return serve(options, code.bytes);
}

async function serve(options, packageBytes) {
  const runner = new Runner(options, options.jsonLog ? (record) => console.log(JSON.stringify(record)) : () => {});
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      runner.stop();
      process.exit(0);
    });
  }
  const port = await runner.listen(options.port);
  const address = `http://127.0.0.1:${port}`;
  console.log(options.json ? JSON.stringify({ listening: address, port, packageBytes }) : `listening on ${address}`);
}

main().catch((error) => {
  console.error(`runner: ${error.message}`);
  process.exitCode = FAILED;
});
