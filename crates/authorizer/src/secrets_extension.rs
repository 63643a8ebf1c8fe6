//! A secret that is kept in Secrets Manager or SSM Parameter Store, read through the AWS
//! Parameters and Secrets Lambda extension on localhost.
//!
//! Source: AWS Secrets Manager user guide, "Use AWS Secrets Manager secrets in AWS Lambda
//! functions". The extension answers only once the first event has arrived, so the secret is read
//! then and not at init.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_enforcement::{Environment, SecretError, SecretFuture, SecretKind, SecretStore};
use portcullis_pdp::http::{Http, HttpRequest};
use serde::Deserialize;

/// Largest answer of the extension: a secret has at most 64 KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The extension.
#[derive(Debug)]
pub(crate) struct SecretsExtension {
    /// What asks it.
    pub(crate) http: Arc<dyn Http>,
    /// Where it is and what it wants.
    pub(crate) environment: Environment,
}

impl SecretStore for SecretsExtension {
    fn read<'a>(&'a self, arn: &'a str, time: Duration) -> SecretFuture<'a> {
        Box::pin(async move {
            let secret = self.ask(arn, time).await;
            secret.map_err(|error| SecretError::Store(error.to_string()))
        })
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

impl SecretsExtension {
    async fn ask(&self, arn: &str, time: Duration) -> Result<String, ExtensionError> {
        let session = self
            .environment
            .value("AWS_SESSION_TOKEN")
            .ok_or(ExtensionError::NoSession)?;
        let port = self
            .environment
            .value("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT")
            .unwrap_or("2773");
        let escaped = utf8_percent_encode(arn, NON_ALPHANUMERIC);
        let url = match SecretKind::of(arn) {
            Some(SecretKind::SecretsManager) => {
                format!("http://localhost:{port}/secretsmanager/get?secretId={escaped}")
            }
            Some(SecretKind::ParameterStore) => {
                format!(
                    "http://localhost:{port}/systemsmanager/parameters/get?name={escaped}&withDecryption=true"
                )
            }
            None => return Err(ExtensionError::Answer),
        };
        let request = HttpRequest::get(&url)
            .map_err(|error| ExtensionError::Extension(error.to_string()))?
            .header("X-Aws-Parameters-Secrets-Token", session)
            .map_err(|error| ExtensionError::Extension(error.to_string()))?;
        let response = self
            .http
            .send(request, time, MAX_ANSWER_BYTES)
            .await
            .map_err(|error| ExtensionError::Extension(error.to_string()))?;
        if response.status != 200 {
            return Err(ExtensionError::Status(response.status));
        }
        let answer: Answer =
            serde_json::from_slice(&response.body).map_err(|_| ExtensionError::Answer)?;
        answer
            .secret
            .or(answer.parameter.map(|parameter| parameter.value))
            .ok_or(ExtensionError::Answer)
    }
}

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
enum ExtensionError {
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
}
