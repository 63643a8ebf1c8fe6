//! A secret that is kept in Secrets Manager or SSM Parameter Store, read through the AWS
//! Parameters and Secrets Lambda extension on localhost.
//!
//! Source: AWS Secrets Manager user guide, "Use AWS Secrets Manager secrets in AWS Lambda
//! functions". The extension answers only once the first event has arrived, so the secret is read
//! then and not at init.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_pdp::http::HttpRequest;
use portcullis_pdp::sideband::GatewayCredential;
use serde::Deserialize;

use crate::credential::Store;

/// Largest answer of the extension: a secret has at most 64 KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Whether a text is the ARN of a secret or a parameter, in any partition.
pub(crate) fn is_secret_arn(arn: &str) -> bool {
    Kind::of(arn).is_some()
}

enum Kind {
    SecretsManager,
    ParameterStore,
}

impl Kind {
    fn of(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        if arn != "arn" || !partition.starts_with("aws") {
            return None;
        }
        match service {
            "secretsmanager" => Some(Self::SecretsManager),
            "ssm" => Some(Self::ParameterStore),
            _ => None,
        }
    }
}

/// What of the extension's two answers is used.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "SecretString")]
    secret: Option<String>,
    #[serde(rename = "Parameter")]
    parameter: Option<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    #[serde(rename = "Value")]
    value: String,
}

/// Reads the secret. The error never holds any of it.
pub(crate) async fn read(store: &Store, arn: &str) -> Result<GatewayCredential, SecretError> {
    let environment = &store.environment;
    let session = environment
        .value("AWS_SESSION_TOKEN")
        .ok_or(SecretError::NoSession)?;
    let port = environment
        .value("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT")
        .unwrap_or("2773");
    let escaped = utf8_percent_encode(arn, NON_ALPHANUMERIC);
    let url = match Kind::of(arn) {
        Some(Kind::SecretsManager) => {
            format!("http://localhost:{port}/secretsmanager/get?secretId={escaped}")
        }
        Some(Kind::ParameterStore) => {
            format!(
                "http://localhost:{port}/systemsmanager/parameters/get?name={escaped}&withDecryption=true"
            )
        }
        None => return Err(SecretError::Answer),
    };
    let request = HttpRequest::get(&url)
        .map_err(|error| SecretError::Extension(error.to_string()))?
        .header("X-Aws-Parameters-Secrets-Token", session)
        .map_err(|error| SecretError::Extension(error.to_string()))?;
    let response = store
        .http
        .send(request, store.timeout, MAX_ANSWER_BYTES)
        .await
        .map_err(|error| SecretError::Extension(error.to_string()))?;
    if response.status != 200 {
        return Err(SecretError::Status(response.status));
    }
    let answer: Answer = serde_json::from_slice(&response.body).map_err(|_| SecretError::Answer)?;
    let secret = answer
        .secret
        .or(answer.parameter.map(|parameter| parameter.value))
        .ok_or(SecretError::Answer)?;
    let secret = secret.trim();
    if secret.starts_with('{') {
        return Err(SecretError::Json);
    }
    (store.parse)(secret).ok_or(SecretError::Credential)
}

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// Lambda sets this variable; elsewhere there is no extension.
    #[error(
        "AWS_SESSION_TOKEN is not set, so the Parameters and Secrets extension cannot be asked"
    )]
    NoSession,
    /// The extension does not answer.
    #[error(
        "the Parameters and Secrets extension did not answer; is its layer attached to the function? ({0})"
    )]
    Extension(String),
    /// The extension could not get the secret.
    #[error(
        "the Parameters and Secrets extension answered with status {0}; may the function's role read the secret?"
    )]
    Status(u16),
    /// The answer is not what the extension documents.
    #[error("the Parameters and Secrets extension answered without a secret")]
    Answer,
    /// The secret is a JSON object, as the console of Secrets Manager makes them.
    #[error("the secret is a JSON object: store the gateway credential itself, as plain text")]
    Json,
    /// The secret cannot be sent in a header.
    #[error("the secret is no gateway credential: expected visible ASCII characters")]
    Credential,
}
