//! What every setting is called that only the edge function asks for. Those that it shares with the authorizer are in
//! `portcullis_enforcement::VARIABLES`, where it says how the lists and the readers are held together.

use portcullis_enforcement::{Topic, Unset, Values, Variable};

const ALWAYS: &[Topic] = &[Topic::Always];
const LAMBDA: &[Topic] = &[Topic::Lambda];

/// Every setting that the readers of this crate ask for.
pub const VARIABLES: &[Variable] = &[
    Variable::new(
        "PORTCULLIS_BASE_URL",
        ALWAYS,
        Values::Text("scheme and host, such as `https://api.example.com`"),
        Unset::Words("`https` and the `Host` of the request"),
        "The scheme and host that the decision point sees. Set it where the distribution has several names.",
    ),
    Variable::new(
        "PORTCULLIS_API_ID",
        ALWAYS,
        Values::Text("the id of an API of API Gateway"),
        Unset::Nothing,
        "The API that the distribution stands before, for policies that go by its id. With `PORTCULLIS_API_STAGE` only.",
    ),
    Variable::new(
        "PORTCULLIS_API_STAGE",
        ALWAYS,
        Values::Text("the name of a stage, or `$default`"),
        Unset::Nothing,
        "The stage of that API. With `PORTCULLIS_API_ID` only.",
    ),
    Variable::new(
        "PORTCULLIS_PARTIAL_BODY",
        ALWAYS,
        Values::Choice(&["deny", "omit"]),
        Unset::Value("deny"),
        "What becomes of a request whose body is not there whole: `deny` answers 413, `omit` decides as if there were none.",
    ),
    Variable::new(
        "PORTCULLIS_LOGIN_URL",
        ALWAYS,
        Values::Text("an `https` URL"),
        Unset::Nothing,
        "Where browsers are sent that are denied with 401.",
    ),
    Variable::new(
        "PORTCULLIS_ROOT_CA",
        ALWAYS,
        Values::Text("certificates in PEM, or the path of a file with them"),
        Unset::Nothing,
        "Authorities that are trusted beside those of Node.js.",
    ),
    Variable::new(
        "AWS_LAMBDA_FUNCTION_NAME",
        LAMBDA,
        Values::Text("set by Lambda"),
        Unset::Nothing,
        "The name of the function, in metrics.",
    ),
    Variable::new(
        "AWS_ENDPOINT_URL",
        LAMBDA,
        Values::Text("a URL"),
        Unset::Words("AWS itself"),
        "What is asked for secrets in the place of AWS, for tests.",
    ),
];
