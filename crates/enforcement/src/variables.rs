//! What every variable is called that enforcement points share, what it may hold, and what it means.
//!
//! The readers of this crate do not go by this list; tests hold the two together: each name that a reader asks for is
//! here, and each bound, word and default of this list is tried on the readers. docs/reference/variables.md is written
//! from it.

use std::time::Duration;

/// A variable of the environment, or a setting of the edge function's `config.js`, which has the same names.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is for; the first is where it is listed.
    pub topics: &'static [Topic],
    /// What it may hold.
    pub values: Values,
    /// What holds where it is not set.
    pub unset: Unset,
    /// What it does, one line of Markdown without links.
    pub meaning: &'static str,
}

/// What a variable is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Whoever decides.
    Always,
    /// A sideband service decides.
    Sideband,
    /// The function decides.
    Oauth,
    /// An AuthZEN decision point decides.
    Authzen,
    /// A Cloudentity control plane says what to decide.
    Cloudentity,
    /// Set by Lambda itself, or by the layer that Lambda was given.
    Lambda,
}

/// What a variable may hold.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// Something that these words describe.
    Text(&'static str),
    /// A secret, which is never shown.
    Secret,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number within these bounds.
    Number(u32, u32),
    /// A time within these bounds.
    Time(Duration, Duration),
}

/// What holds where a variable is not set.
#[derive(Debug, Clone, Copy)]
pub enum Unset {
    /// The function does not start.
    Required,
    /// Nothing takes its place.
    Nothing,
    /// The same as with this value.
    Value(&'static str),
    /// What these words say.
    Words(&'static str),
}

impl Variable {
    /// A variable for these topics.
    #[must_use]
    pub const fn new(
        name: &'static str,
        topics: &'static [Topic],
        values: Values,
        unset: Unset,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            topics,
            values,
            unset,
            meaning,
        }
    }
}

/// Milliseconds, as a bound of a time.
const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Seconds, as a bound of a time.
const fn s(number: u64) -> Duration {
    Duration::from_secs(number)
}

const ALWAYS: &[Topic] = &[Topic::Always];
const SIDEBAND: &[Topic] = &[Topic::Sideband];
const OAUTH: &[Topic] = &[Topic::Oauth];
const AUTHZEN: &[Topic] = &[Topic::Authzen];
const CLOUDENTITY: &[Topic] = &[Topic::Cloudentity];
const LAMBDA: &[Topic] = &[Topic::Lambda];
/// What a service is asked with.
const SERVICES: &[Topic] = &[Topic::Sideband, Topic::Authzen];
/// What says which tokens are valid.
const TOKENS: &[Topic] = &[Topic::Oauth, Topic::Authzen];

const LEVELS: Values = Values::Choice(&["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]);
const FILE: Values = Values::Text("`file:` and the path of a file in the zip");

/// Every variable that the readers of this crate ask for.
pub const VARIABLES: &[Variable] = &[
    Variable::new(
        "PORTCULLIS_DECISION_POINT",
        ALWAYS,
        Values::Choice(&["sideband", "authzen", "oauth", "bundle", "cloudentity"]),
        Unset::Words("from the variables that are set"),
        "Who decides. Needed only where the variables of several are set.",
    ),
    Variable::new(
        "PORTCULLIS_TIMEOUT",
        ALWAYS,
        Values::Time(ms(50), s(29)),
        Unset::Value("2s"),
        "The whole time for one decision, retries included. HTTP APIs wait 10 s for an authorizer.",
    ),
    Variable::new(
        "PORTCULLIS_ON_UNAVAILABLE",
        ALWAYS,
        Values::Choice(&["error", "deny"]),
        Unset::Value("error"),
        "What happens where no decision can be had: `error` ends in 500 (503 at the edge), `deny` in 403.",
    ),
    Variable::new(
        "AWS_LAMBDA_LOG_LEVEL",
        ALWAYS,
        LEVELS,
        Unset::Value("INFO"),
        "The least severe level that is logged. Lambda's logging configuration sets it.",
    ),
    Variable::new(
        "LOGGING_LEVEL",
        ALWAYS,
        LEVELS,
        Unset::Value("INFO"),
        "The same, where `AWS_LAMBDA_LOG_LEVEL` is not set: the name of Cloudentity's authorizer, and the one at the edge.",
    ),
    Variable::new(
        "SERVICE_URL",
        SIDEBAND,
        Values::Text("an `https` URL, or `http` on loopback"),
        Unset::Words("the claim `httpAccessApiUrl` of the credential"),
        "The base URL of the sideband service.",
    ),
    Variable::new(
        "SECRET_HEADER_VALUE",
        SERVICES,
        Values::Secret,
        Unset::Required,
        "The gateway credential. With AuthZEN the whole value of the header, and not required.",
    ),
    Variable::new(
        "SECRET_HEADER_VALUE_ARN",
        SERVICES,
        Values::Text("the ARN of a Secrets Manager secret or an SSM parameter"),
        Unset::Nothing,
        "Where the credential is kept, in the place of the credential. It is read at the first event, and again when it is no longer accepted.",
    ),
    Variable::new(
        "SECRET_HEADER_NAME",
        SERVICES,
        Values::Text("the name of a header, at most 64 bytes"),
        Unset::Words("`CLIENT-TOKEN`; with AuthZEN `Authorization`"),
        "The header that carries the credential.",
    ),
    Variable::new(
        "MAX_RETRIES",
        SERVICES,
        Values::Number(0, 10),
        Unset::Value("1"),
        "Retries after silence, network errors and 5xx. Each attempt gets an equal share of the time that is left.",
    ),
    Variable::new(
        "IS_DEBUG_ENABLED",
        SERVICES,
        Values::Flag,
        Unset::Value("false"),
        "Logs each exchange with the service: status, sizes and time, nothing else.",
    ),
    Variable::new(
        "PORTCULLIS_ISSUER",
        TOKENS,
        Values::Text("an `https` URL"),
        Unset::Required,
        "The issuer of access tokens. Its keys are fetched at start.",
    ),
    Variable::new(
        "PORTCULLIS_AUDIENCE",
        TOKENS,
        Values::Text("words, separated by spaces"),
        Unset::Required,
        "The audience that tokens must name; of several, one will do.",
    ),
    Variable::new(
        "PORTCULLIS_SCOPES",
        TOKENS,
        Values::Text("entries such as `GET /planets = silver`, separated by `;`"),
        Unset::Required,
        "Which scope opens which route. With AuthZEN not required: every path then needs a valid token.",
    ),
    Variable::new(
        "PORTCULLIS_PROFILE",
        TOKENS,
        Values::Choice(&[
            "rfc9068", "okta", "auth0", "cognito", "entra", "keycloak", "generic",
        ]),
        Unset::Value("rfc9068"),
        "How the tokens of the issuer differ from RFC 9068.",
    ),
    Variable::new(
        "PORTCULLIS_PATHS",
        TOKENS,
        Values::Choice(&["plain", "any"]),
        Unset::Value("plain"),
        "`plain` refuses paths with an escape, a semicolon or a backslash, so that a cached policy can cover patterns; `any` takes them.",
    ),
    Variable::new(
        "PORTCULLIS_LEEWAY",
        TOKENS,
        Values::Time(s(0), s(300)),
        Unset::Value("5s"),
        "How far the clock of the issuer may differ. Whole seconds.",
    ),
    Variable::new(
        "PORTCULLIS_JWKS",
        TOKENS,
        FILE,
        Unset::Nothing,
        "The keys of the issuer, so that the first decision needs no request.",
    ),
    Variable::new(
        "PORTCULLIS_BUNDLE",
        OAUTH,
        FILE,
        Unset::Nothing,
        "A bundle that `portcullis policy bundle` wrote, in the place of the variables about issuer and scopes.",
    ),
    Variable::new(
        "AUTHZEN_PDP_URL",
        AUTHZEN,
        Values::Text("an `https` URL without a query, or `http` on loopback"),
        Unset::Required,
        "The base URL of the decision point. The question goes to `/access/v1/evaluation` below it.",
    ),
    Variable::new(
        "AUTHZEN_SUBJECT_CLAIMS",
        AUTHZEN,
        Values::Text("at most 32 names, separated by spaces"),
        Unset::Nothing,
        "The claims of the token that the decision point is told, beside `sub`.",
    ),
    Variable::new(
        "AUTHZEN_DISCOVERY",
        AUTHZEN,
        Values::Flag,
        Unset::Value("false"),
        "Asks where the metadata of the decision point says.",
    ),
    Variable::new(
        "AUTHZEN_ENDPOINT_ORIGINS",
        AUTHZEN,
        Values::Text("origins such as `https://eu.pdp.example.com`, separated by spaces"),
        Unset::Nothing,
        "Other origins that the endpoint in that metadata may have.",
    ),
    Variable::new(
        "ACP_ISSUER_URL",
        CLOUDENTITY,
        Values::Text("an `https` URL, or `http` on loopback"),
        Unset::Required,
        "The issuer of the System workspace.",
    ),
    Variable::new(
        "ACP_CLIENT_ID",
        CLOUDENTITY,
        Values::Text("a word"),
        Unset::Required,
        "The client of the gateway.",
    ),
    Variable::new(
        "ACP_CLIENT_SECRET",
        CLOUDENTITY,
        Values::Secret,
        Unset::Required,
        "The secret of that client.",
    ),
    Variable::new(
        "ACP_TENANT_ID",
        CLOUDENTITY,
        Values::Text("a word"),
        Unset::Words("from the issuer"),
        "The tenant, for a vanity domain, whose URL does not name it.",
    ),
    Variable::new(
        "ACP_SERVER_ID",
        CLOUDENTITY,
        Values::Text("a word"),
        Unset::Nothing,
        "The workspace, told to the control plane.",
    ),
    Variable::new(
        "ACP_RELOAD_INTERVAL",
        CLOUDENTITY,
        Values::Time(s(1), s(3600)),
        Unset::Value("5s"),
        "How old the configuration may be before another one is asked for.",
    ),
    Variable::new(
        "PORTCULLIS_CONFIGURATION_MAX_AGE",
        CLOUDENTITY,
        Values::Time(s(1), s(7 * 24 * 3600)),
        Unset::Value("1h"),
        "For how long the last good configuration decides while the control plane is away.",
    ),
    Variable::new(
        "ENFORCEMENT_ALLOW_UNKNOWN",
        CLOUDENTITY,
        Values::Flag,
        Unset::Value("false"),
        "Lets requests through that are for a bound service and for no API of it.",
    ),
    Variable::new(
        "AWS_INJECT_CONTEXT",
        CLOUDENTITY,
        Values::Flag,
        Unset::Value("false"),
        "Tells the backend the authentication context (`authnCtx`).",
    ),
    Variable::new(
        "HTTP_CLIENT_INSECURE_SKIP_VERIFY",
        CLOUDENTITY,
        Values::Choice(&["false"]),
        Unset::Value("false"),
        "`true` is refused: certificates are always checked.",
    ),
    Variable::new(
        "AWS_ACCESS_KEY_ID",
        LAMBDA,
        Values::Text("set by Lambda"),
        Unset::Nothing,
        "The role of the function, with which requests to AWS are signed.",
    ),
    Variable::new(
        "AWS_SECRET_ACCESS_KEY",
        LAMBDA,
        Values::Secret,
        Unset::Nothing,
        "The secret of that role.",
    ),
    Variable::new(
        "AWS_SESSION_TOKEN",
        LAMBDA,
        Values::Secret,
        Unset::Nothing,
        "The session of that role; it also opens the Parameters and Secrets extension.",
    ),
];
