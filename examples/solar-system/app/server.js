// Serves the app of the solar system example, and passes /api/rest/* and /api/http/* on to the two
// APIs, so that page and APIs have one origin. That is the part that CloudFront plays in production:
// one distribution with the site and the APIs as its origins, and no CORS anywhere.
//
//   node server.js SETTINGS
//
// SETTINGS is a file with one JSON object:
//   {"port", "issuer", "resource", "client_id", "scopes": [...],
//    "apis": {"rest": {"port", "host", "prefix"}, "http": {...}}}
// An API is called at 127.0.0.1:port, with host and port as its Host header: API Gateway, and
// MiniStack as well, tells APIs apart by it, and a page cannot set it.
// When the server is ready it prints {"url"}; after that one line per request, without its query.

import { readFileSync, readdirSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { extname } from 'node:path';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
// Not 127.0.0.1: cookies know no ports, and those of the authorization server are none of our business.
const host = `localhost:${settings.port}`;

const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml' };
const HEADERS = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ${settings.issuer}`,
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; '),
  'Cache-Control': 'no-store',
  // The address holds a code for a moment after the sign-in.
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};
const API_ROUTE = /^\/api\/(rest|http)(\/.*)$/;
// They are about one connection (RFC 9110 section 7.6.1), and Node writes its own.
const OF_ONE_CONNECTION = new Set(['connection', 'keep-alive', 'transfer-encoding']);

const files = new Map(readdirSync(new URL('public/', import.meta.url)).map((name) => [
  name === 'index.html' ? '/' : `/${name}`,
  { type: TYPES[extname(name)], body: readFileSync(new URL(`public/${name}`, import.meta.url)) },
]));
files.set('/settings.json', {
  type: 'application/json',
  body: JSON.stringify({
    issuer: settings.issuer,
    resource: settings.resource,
    client_id: settings.client_id,
    scopes: settings.scopes,
  }),
});

createServer((incoming, answer) => {
  const path = incoming.url.split('?')[0];
  answer.on('finish', () => console.log(`${incoming.method} ${path} ${answer.statusCode}`));
  const [, name, rest] = API_ROUTE.exec(incoming.url) ?? [];
  if (incoming.headers.host !== host) {
    // Another name for this address would be another origin, perhaps one that an attacker owns.
    refuse(answer, 421, `This is ${host}`);
  } else if (name) {
    passOn(incoming, answer, settings.apis[name], rest);
  } else if (!files.has(path)) {
    refuse(answer, 404, 'There is no such page');
  } else if (incoming.method !== 'GET' && incoming.method !== 'HEAD') {
    refuse(answer, 405, 'Pages are only read');
  } else {
    const { type, body } = files.get(path);
    answer.writeHead(200, { ...HEADERS, 'Content-Type': `${type}; charset=utf-8` }).end(body);
  }
}).listen(settings.port, '127.0.0.1', () => console.log(JSON.stringify({ url: `http://${host}/` })));

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => process.exit(0));
}

/** Sends the request to an API as it came, but for its Host header, and the answer back as it is. */
function passOn(incoming, answer, api, path) {
  const outgoing = request({
    host: '127.0.0.1',
    port: api.port,
    path: api.prefix + path,
    method: incoming.method,
    headers: { ...ofTheMessage(incoming.headers), host: `${api.host}:${api.port}` },
  }, (response) => {
    answer.writeHead(response.statusCode, ofTheMessage(response.headers));
    response.pipe(answer);
  });
  outgoing.on('error', () => (answer.headersSent ? answer.destroy() : refuse(answer, 502, 'The API does not answer')));
  incoming.pipe(outgoing);
}

function ofTheMessage(headers) {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_ONE_CONNECTION.has(name)));
}

function refuse(answer, status, message) {
  answer.writeHead(status, { ...HEADERS, 'Content-Type': 'application/json' }).end(JSON.stringify({ message }));
}
