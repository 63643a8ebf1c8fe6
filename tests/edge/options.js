'use strict';
// The command line of the runner.

const { parseArgs } = require('node:util');
const { DEFAULTS } = require('./instance.js');

const HELP = `Runs a Lambda@Edge viewer-request function on this machine, and stands in for CloudFront in front of it.

  node tests/edge/runner.js --package DIR|ZIP --origin URL [OPTIONS]     serves on 127.0.0.1 until it is stopped
  node tests/edge/runner.js --package DIR|ZIP --event FILE|- [OPTIONS]   judges the answer to one event, and ends

The function
  --package DIR|ZIP        the code, as Lambda would get it
  --handler FILE.EXPORT    ${DEFAULTS.handler} unless said otherwise
  --memory MB              ${DEFAULTS.memoryMb}: a process with more is ended, and the viewer gets 503
  --timeout SECONDS        ${DEFAULTS.timeoutSeconds}: the same for a handler that takes longer
  --concurrency N          1: how many instances there may be; other requests wait
  --region NAME            ${DEFAULTS.region}: the Region that AWS_REGION names
  --credentials-from-env   pass AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN on
  --aws-endpoint URL       have the function ask this address in place of AWS (AWS_ENDPOINT_URL)
  --keep-after-error       use an instance again whose handler threw, as Lambda does

The distribution
  --origin URL             where permitted requests go
  --origin-timeout SECONDS 30: how long the origin may take to answer
  --forward-host           give the origin the viewer's Host, and not its own
  --port PORT              0: any free one
  --distribution DOMAIN    d111111abcdef8.cloudfront.net
  --distribution-id ID     EDFDVBD6EXAMPLE
  --alias HOST             another domain of the distribution, any number of times. Other Hosts then get 403,
                           and a viewer who calls the runner's own address is taken to ask for the first one
  --include-body           show the function the first 40 KB of bodies
  --client-ip IP           the viewer's address in the event; without it, that of the connection
  --viewer-headers         add CloudFront-Viewer-Address and CloudFront-Viewer-Http-Version
  --mtls-header NAME:VALUE a header about the viewer's certificate, any number of times

Output
  --json                   print the first line as JSON too: {"listening", "port", "packageBytes"}
  --no-json-log            do not print a JSON line for each request
  --help                   print this

Examples
  node tests/edge/runner.js --package edge.zip --origin http://127.0.0.1:8080
  node tests/edge/runner.js --package build/edge --origin http://127.0.0.1:8080 --port 8443 --alias api.example.com
  node tests/edge/runner.js --package edge.zip --origin http://127.0.0.1:8080 --include-body --client-ip 203.0.113.178
  node tests/edge/runner.js --package edge.zip --origin http://127.0.0.1:8080 \\
    --mtls-header 'CloudFront-Viewer-Cert-Subject: CN=client.example'
  node tests/edge/runner.js --package edge.zip --event event.json && echo "CloudFront would take the answer"
  echo '{"Records": [...]}' | node tests/edge/runner.js --package edge.zip --event -

With --event, the status is 0 for a valid answer, 1 for one that CloudFront refuses and 2 for everything else.
`;

const text = { type: 'string' };
const list = { type: 'string', multiple: true, default: [] };
const flag = { type: 'boolean', default: false };
const OPTIONS = {
  package: text,
  handler: { ...text, default: DEFAULTS.handler },
  memory: { ...text, default: String(DEFAULTS.memoryMb) },
  timeout: { ...text, default: String(DEFAULTS.timeoutSeconds) },
  concurrency: { ...text, default: '1' },
  region: { ...text, default: DEFAULTS.region },
  'credentials-from-env': flag,
  'aws-endpoint': text,
  'keep-after-error': flag,
  origin: text,
  'origin-timeout': { ...text, default: '30' },
  'forward-host': flag,
  port: { ...text, default: '0' },
  distribution: { ...text, default: 'd111111abcdef8.cloudfront.net' },
  'distribution-id': { ...text, default: 'EDFDVBD6EXAMPLE' },
  alias: list,
  'include-body': flag,
  'client-ip': text,
  'viewer-headers': flag,
  'mtls-header': list,
  event: text,
  json: flag,
  'json-log': { ...flag, default: true },
  'no-json-log': flag,
  help: flag,
};

/**
 * Reads the arguments after the program's name.
 *
 * Returns {help: true}, or what Runner takes with package, event, port, json and jsonLog; event is null
 * in order to serve. Throws an Error that says what is wrong.
 */
function readOptions(argv) {
  const { values } = parseArgs({ args: argv, options: OPTIONS, strict: true });
  if (values.help) return { help: true };
  if (values.package === undefined) throw new Error('--package is missing: the directory or the zip of the function');
  if ((values.origin === undefined) === (values.event === undefined)) {
    throw new Error('either --origin URL in order to serve, or --event FILE for one event');
  }
  return {
    package: values.package,
    event: values.event ?? null,
    port: number(values, 'port', 0, 65535),
    json: values.json,
    jsonLog: values['json-log'] && !values['no-json-log'],
    instance: {
      handler: values.handler,
      memoryMb: number(values, 'memory', 64, 10240),
      timeoutSeconds: number(values, 'timeout', 0.01, 900),
      region: values.region,
      credentialsFromEnv: values['credentials-from-env'],
      awsEndpoint: values['aws-endpoint'] ?? null,
    },
    concurrency: number(values, 'concurrency', 1, 1000),
    keepAfterError: values['keep-after-error'],
    origin: {
      url: values.origin === undefined ? null : originUrl(values.origin),
      timeoutSeconds: number(values, 'origin-timeout', 0.01, 900),
      forwardHost: values['forward-host'],
    },
    distribution: { domain: values.distribution, id: values['distribution-id'] },
    aliases: values.alias,
    includeBody: values['include-body'],
    clientIp: values['client-ip'] ?? null,
    viewerHeaders: values['viewer-headers'],
    mtlsHeaders: values['mtls-header'].map(header),
  };
}

function number(values, name, least, most) {
  const value = Number(values[name]);
  const wanted = Number.isInteger(least) ? 'a whole number' : 'a number';
  if (values[name].trim() === '' || !(value >= least && value <= most) || (Number.isInteger(least) && !Number.isInteger(value))) {
    throw new Error(`--${name} must be ${wanted} from ${least} to ${most}, and is ${values[name]}`);
  }
  return value;
}

function originUrl(value) {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new Error(`--origin must be an address such as http://127.0.0.1:8080, and is ${value}`);
  }
  return value;
}

function header(value) {
  const [, name, content] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*)$/.exec(value) ?? [];
  if (name === undefined) throw new Error('--mtls-header must be NAME: VALUE in ASCII');
  return [name, content];
}

module.exports = { readOptions, HELP };
