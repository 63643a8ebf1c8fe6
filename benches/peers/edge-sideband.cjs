'use strict';

// A Lambda@Edge viewer-request function that makes the sideband call by hand: what Portcullis at the edge is measured
// beside. It answers as PingOne's kit does: the request as it came for a permit, a status without a body for a deny.

const http = require('node:http');
const https = require('node:https');
const config = require('./config.js');

const TIMEOUT = 2000;
const SYNTHETIC_PORT = 443;
const library = config.SERVICE_URL.startsWith('https:') ? https : http;
const agent = new library.Agent({ keepAlive: true });
const endpoint = new URL(`${config.SERVICE_URL.replace(/\/$/, '')}/sideband/request`);

class ServiceError extends Error {}

/** What the decision point is asked. */
function question(request) {
  const headers = Object.entries(request.headers).flatMap(([name, values]) =>
    values.map(({ key, value }) => ({ [key ?? name]: value })));
  const query = request.querystring === '' ? '' : `?${request.querystring}`;
  return {
    source_ip: request.clientIp,
    source_port: SYNTHETIC_PORT,
    method: request.method,
    url: `https://${request.headers.host[0].value}${request.uri}${query}`,
    http_version: '1.1',
    headers,
  };
}

function post(body) {
  const headers = {
    'Content-Type': 'application/json',
    Accept: 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'CLIENT-TOKEN': config.SECRET_HEADER_VALUE,
  };
  return new Promise((resolve, reject) => {
    const call = library.request(endpoint, { method: 'POST', agent, timeout: TIMEOUT, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => { text += part; });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new ServiceError(`the decision point answered with ${response.statusCode}`));
      });
    });
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', reject);
    call.end(body);
  });
}

async function ask(request) {
  const body = JSON.stringify(question(request));
  for (let attempt = 0; ; attempt += 1) {
    try {
      return JSON.parse(await post(body));
    } catch (error) {
      if (attempt >= config.MAX_RETRIES) throw error;
    }
  }
}

exports.handler = async (event) => {
  const { request } = event.Records[0].cf;
  try {
    const { url, headers, response } = await ask(request);
    if (response) return { status: String(response.response_code), statusDescription: response.response_status };
    if (typeof url === 'string' && Array.isArray(headers)) return request;
    throw new ServiceError('the answer is neither a permit nor a deny');
  } catch (error) {
    console.error(`no decision could be had: ${error.message}`);
    return { status: '503', statusDescription: 'Service Unavailable' };
  }
};
