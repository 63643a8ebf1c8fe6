'use strict';

// The least of a Lambda runtime for Node.js: `node runtime.cjs HANDLER`, where HANDLER is the file that exports `handler`.
// It asks the runtime API for events over one kept connection and posts what comes of each ("Using the Lambda runtime API
// for custom runtimes", AWS Lambda developer guide).

const http = require('node:http');

const { handler } = require(process.argv[2]);
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body) {
  const headers = body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, agent, method, path: `/2018-06-01/runtime/invocation/${path}`, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => { text += part; });
      response.on('error', reject);
      response.on('end', () => resolve({ text, id: response.headers['lambda-runtime-aws-request-id'] }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

(async () => {
  for (;;) {
    const { text, id } = await call('GET', 'next');
    try {
      const answer = await handler(JSON.parse(text));
      await call('POST', `${id}/response`, JSON.stringify(answer));
    } catch ({ name, message }) {
      await call('POST', `${id}/error`, JSON.stringify({ errorType: name, errorMessage: message }));
    }
  }
})();
