//! What every variable is called that only the authorizer asks for. Those that it shares with the edge function are in
//! `portcullis_enforcement::VARIABLES`, where it says how the lists and the readers are held together.

use std::time::Duration;

use portcullis_enforcement::{Topic, Unset, Values, Variable};

const ALWAYS: &[Topic] = &[Topic::Always];
const CLOUDENTITY: &[Topic] = &[Topic::Cloudentity];
const LAMBDA: &[Topic] = &[Topic::Lambda];

/// Every variable that the readers of this crate ask for.
pub const VARIABLES: &[Variable] = &[
    Variable::new(
        "PORTCULLIS_CACHE_TTL",
        ALWAYS,
        Values::Time(Duration::ZERO, Duration::from_hours(1)),
        Unset::Value("0s"),
        "For how long API Gateway keeps answers. With AuthZEN and Cloudentity `0s` only.",
    ),
    Variable::new(
        "PORTCULLIS_BASE_URL",
        ALWAYS,
        Values::Text("scheme and host, such as `https://api.example.com`"),
        Unset::Words("from the event"),
        "The scheme and host that the decision point sees.",
    ),
    Variable::new(
        "PORTCULLIS_STRIP_STAGE",
        ALWAYS,
        Values::Flag,
        Unset::Value("false"),
        "Leaves the stage out of the URL that the decision point sees.",
    ),
    Variable::new(
        "PORTCULLIS_HTTP_RESPONSE",
        ALWAYS,
        Values::Choice(&["iam", "simple"]),
        Unset::Value("iam"),
        "How HTTP API events of payload format 2.0 are answered; `simple` where the authorizer has `EnableSimpleResponses`.",
    ),
    Variable::new(
        "PORTCULLIS_ROOT_CA",
        ALWAYS,
        Values::Text("certificates in PEM, or the path of a file with them"),
        Unset::Nothing,
        "Authorities that are trusted beside the public ones.",
    ),
    Variable::new(
        "HTTP_CLIENT_ROOT_CA",
        CLOUDENTITY,
        Values::Text("certificates in PEM, or the path of a file with them"),
        Unset::Nothing,
        "The same as `PORTCULLIS_ROOT_CA`, by the name of Cloudentity's authorizer.",
    ),
    Variable::new(
        "PORTCULLIS_CONFIGURATION_COPY",
        CLOUDENTITY,
        Values::Text("a path"),
        Unset::Value("/tmp/portcullis-configuration.json"),
        "Where the last good configuration is kept for an instance that starts again while the control plane is away.",
    ),
    Variable::new(
        "ANALYTICS_ENABLED",
        CLOUDENTITY,
        Values::Flag,
        Unset::Value("true"),
        "Tells the control plane what was decided.",
    ),
    Variable::new(
        "PORTCULLIS_ANALYTICS_RAW_TOKENS",
        CLOUDENTITY,
        Values::Flag,
        Unset::Value("false"),
        "Tells it the access token itself, and not its SHA-256.",
    ),
    Variable::new(
        "PORTCULLIS_DISCOVERY",
        CLOUDENTITY,
        Values::Flag,
        Unset::Value("false"),
        "Finds the APIs of the account on a schedule and tells them to the control plane.",
    ),
    Variable::new(
        "AWS_LAMBDA_FUNCTION_NAME",
        LAMBDA,
        Values::Text("set by Lambda"),
        Unset::Nothing,
        "The name of the function, in metrics.",
    ),
    Variable::new(
        "AWS_LAMBDA_RUNTIME_API",
        LAMBDA,
        Values::Text("set by Lambda"),
        Unset::Nothing,
        "Where events come from, and where the function registers as an internal extension in Cloudentity mode.",
    ),
    Variable::new(
        "AWS_REGION",
        LAMBDA,
        Values::Text("set by Lambda"),
        Unset::Nothing,
        "The Region whose APIs `PORTCULLIS_DISCOVERY` finds.",
    ),
    Variable::new(
        "AWS_ENDPOINT_URL",
        LAMBDA,
        Values::Text("a URL"),
        Unset::Words("AWS itself"),
        "What is asked in the place of AWS, for tests.",
    ),
    Variable::new(
        "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT",
        LAMBDA,
        Values::Text("a port"),
        Unset::Words("`2773`"),
        "Where the Parameters and Secrets extension listens on localhost.",
    ),
];
