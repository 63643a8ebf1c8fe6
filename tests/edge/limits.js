'use strict';
// The numbers and header lists of CloudFront and Lambda@Edge that the runner holds functions to.
// Each says where it is documented; README.md has the addresses of the pages.

// [event-structure], [all-restrictions]: the names of the pages in README.md.

const KIB = 1024;

module.exports = {
  // [custom-origins] The whole request, with its request line and headers, in bytes.
  REQUEST_BYTES: 20480,
  // [custom-origins] The URL that CloudFront builds from the request, in bytes.
  URL_BYTES: 8192,
  // [all-restrictions] "less than" this many characters for the URI and query of a returned request.
  RETURNED_URL_CHARACTERS: 8192,

  // [edge-restrictions] How much of a body a viewer-request function sees.
  EXPOSED_BODY_BYTES: 40 * KIB,
  // [edge-restrictions] A body that replaces the viewer's: as text, and as base64.
  REPLACED_TEXT_BYTES: 40 * KIB,
  REPLACED_BASE64_CHARACTERS: Math.floor(53.2 * KIB),
  // [generated-responses] Headers and body together.
  GENERATED_RESPONSE_BYTES: 40 * KIB,

  // [limits] The zip. Older pages say 1 MB, and some accounts were held to it: the runner prints the size.
  PACKAGE_BYTES: 50 * KIB * KIB,
  // [lambda-limits] The package unzipped, the answer of one invocation, and the time to load the code.
  UNZIPPED_BYTES: 250 * KIB * KIB,
  RESULT_BYTES: 6 * KIB * KIB,
  INITIALIZATION_SECONDS: 10,

  // [custom-origins] What a distribution can be told to accept; everything else is 403.
  METHODS: ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'],
  // [include-body] The methods whose body a function sees.
  WRITABLE_METHODS: ['DELETE', 'PATCH', 'POST', 'PUT'],

  // [all-restrictions] Not exposed to functions, and not to be added by them. The last three are
  // certificates of viewers: [mtls] says it of the first, published code of the others.
  DISALLOWED_HEADERS: new Set([
    'connection',
    'expect',
    'keep-alive',
    'proxy-authenticate',
    'proxy-authorization',
    'proxy-connection',
    'trailer',
    'upgrade',
    'x-accel-buffering',
    'x-accel-charset',
    'x-accel-limit-rate',
    'x-accel-redirect',
    'x-amzn-auth',
    'x-amzn-cf-billing',
    'x-amzn-cf-id',
    'x-amzn-cf-xff',
    'x-amzn-errortype',
    'x-amzn-fle-profile',
    'x-amzn-header-count',
    'x-amzn-header-order',
    'x-amzn-lambda-integration-tag',
    'x-amzn-requestid',
    'x-cache',
    'x-forwarded-proto',
    'x-real-ip',
    'cloudfront-viewer-cert-pem',
    'client-cert',
    'client-cert-chain',
  ]),
  DISALLOWED_PREFIXES: ['x-amz-cf-', 'x-edge-'],
  // [all-restrictions] To be read, and not added, changed or deleted.
  READ_ONLY_HEADERS: ['cdn-loop', 'content-length', 'host', 'transfer-encoding', 'via'],

  // RFC 9110 section 7.6.1: about one connection, so not passed on in either direction.
  HOP_BY_HOP: new Set([
    'connection',
    'keep-alive',
    'proxy-authenticate',
    'proxy-authorization',
    'proxy-connection',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
  ]),

  isDisallowed(name) {
    const { DISALLOWED_HEADERS, DISALLOWED_PREFIXES } = module.exports;
    return DISALLOWED_HEADERS.has(name) || DISALLOWED_PREFIXES.some((prefix) => name.startsWith(prefix));
  },
};
