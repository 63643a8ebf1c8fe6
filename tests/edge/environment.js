'use strict';
// The environment variables of a Lambda@Edge function: the reserved ones and those of the system, and
// nothing of whoever starts the runner. Lambda@Edge has no variables of one's own ([edge-restrictions]).

const CREDENTIALS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];

// A function replicated from us-east-1 is called so everywhere ([edge-logs]).
const FUNCTION_NAME = 'us-east-1.portcullis-edge';
const FUNCTION_VERSION = '1';

/**
 * The variables ([lambda-variables]) of a function with `memoryMb` MB, in `region`, unpacked at `root`. With `awsEndpoint`,
 * the SDKs of AWS, and who does as they do, ask that address in place of AWS.
 */
function variables({ root, handler, memoryMb, region, credentialsFromEnv, awsEndpoint }) {
  const passed = credentialsFromEnv ? CREDENTIALS.filter((name) => process.env[name] !== undefined) : [];
  return {
    _HANDLER: handler,
    AWS_DEFAULT_REGION: region,
    AWS_EXECUTION_ENV: `AWS_Lambda_nodejs${process.versions.node.split('.')[0]}.x`,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
    AWS_LAMBDA_FUNCTION_NAME: FUNCTION_NAME,
    AWS_LAMBDA_FUNCTION_VERSION: FUNCTION_VERSION,
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${FUNCTION_NAME}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `runner/[${FUNCTION_VERSION}]`,
    AWS_REGION: region,
    LAMBDA_TASK_ROOT: root,
    LANG: 'en_US.UTF-8',
    PATH: '/usr/local/bin:/usr/bin:/bin',
    TZ: ':UTC',
    ...(awsEndpoint === null ? {} : { AWS_ENDPOINT_URL: awsEndpoint }),
    ...Object.fromEntries(passed.map((name) => [name, process.env[name]])),
  };
}

module.exports = { variables, FUNCTION_NAME, FUNCTION_VERSION };
