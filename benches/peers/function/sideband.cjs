'use strict';

// A REST REQUEST authorizer that makes the sideband call by hand and answers with an IAM policy: what `bootstrap` is measured
// beside. As PingOne's kit does, it keeps its connection, tries again once, and takes 401 for `Unauthorized` and any other
// deny for a policy that denies.
//
// Settings: SERVICE_URL, SECRET_HEADER_VALUE, MAX_RETRIES and BASE_URL, which the service knows the API by.

const http = require('node:http');
const https = require('node:https');

const { SERVICE_URL, SECRET_HEADER_VALUE, BASE_URL } = process.env;
const RETRIES = Number(process.env.MAX_RETRIES ?? 1);
const TIMEOUT = 2000;
const library = SERVICE_URL.startsWith('https:') ? https : http;
const agent = new library.Agent({ keepAlive: true });
const endpoint = new URL(`${SERVICE_URL.replace(/\/$/, '')}/sideband/request`);

/** What the decision point is asked. */
function question(event) {
  const headers = Object.entries(event.multiValueHeaders ?? {}).flatMap(([name, values]) =>
    values.map((value) => ({ [name]: value })));
  const query = new URLSearchParams(
    Object.entries(event.multiValueQueryStringParameters ?? {}).flatMap(([name, values]) =>
      values.map((value) => [name, value]))).toString();
  return {
    source_ip: event.requestContext.identity.sourceIp,
    source_port: 443,
    method: event.httpMethod,
    url: `${BASE_URL}${event.path}${query === '' ? '' : `?${query}`}`,
    http_version: '1.1',
    headers,
  };
}

function post(body) {
  const headers = {
    'Content-Type': 'application/json',
    Accept: 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'CLIENT-TOKEN': SECRET_HEADER_VALUE,
  };
  return new Promise((resolve, reject) => {
    const call = library.request(endpoint, { method: 'POST', agent, timeout: TIMEOUT, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => { text += part; });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`the decision point answered with ${response.statusCode}`));
      });
    });
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', reject);
    call.end(body);
  });
}

async function ask(event) {
  const body = JSON.stringify(question(event));
  for (let attempt = 0; ; attempt += 1) {
    try {
      return JSON.parse(await post(body));
    } catch (error) {
      if (attempt >= RETRIES) throw error;
    }
  }
}

function policy(Effect, Resource) {
  return {
    principalId: 'user',
    policyDocument: { Version: '2012-10-17', Statement: [{ Action: 'execute-api:Invoke', Effect, Resource }] },
  };
}

exports.handler = async (event) => {
  const { url, headers, response } = await ask(event);
  if (response) {
    if (String(response.response_code) === '401') throw new Error('Unauthorized');
    return policy('Deny', event.methodArn);
  }
  if (typeof url === 'string' && Array.isArray(headers)) return policy('Allow', event.methodArn);
  throw new Error('the answer is neither a permit nor a deny');
};
