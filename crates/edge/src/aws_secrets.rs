//! Secrets from Secrets Manager or SSM Parameter Store, asked for with the execution role of the function: at the edge
//! there is no extension that would do so (CloudFront Developer Guide, "Restrictions on Lambda@Edge": no layers).
//!
//! Sources: AWS Secrets Manager API reference, `GetSecretValue`; AWS Systems Manager API reference, `GetParameter`.

use std::sync::Arc;
use std::time::Duration;

use portcullis_enforcement::sigv4::{AwsCredentials, Signable, signature};
use portcullis_enforcement::{Environment, SecretError, SecretFuture, SecretKind, SecretStore};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::http::{Http, HttpRequest};
use serde_json::{Value, json};

/// Largest answer: a secret has at most 64 KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Asks AWS.
#[derive(Debug)]
pub struct AwsSecrets {
    /// Sends requests.
    pub http: Arc<dyn Http>,
    /// Signatures hold the time.
    pub clock: Arc<dyn Clock>,
    /// Where Lambda puts the credentials of the role. `AWS_ENDPOINT_URL` is asked in place of AWS where it is set.
    pub environment: Environment,
}

impl SecretStore for AwsSecrets {
    fn read<'a>(&'a self, arn: &'a str, time: Duration) -> SecretFuture<'a> {
        Box::pin(async move {
            let failed = |cause: String| SecretError::Store(format!("{}: {cause}", kind(arn)));
            self.ask(arn, time).await.map_err(failed)
        })
    }
}

impl AwsSecrets {
    async fn ask(&self, arn: &str, time: Duration) -> Result<String, String> {
        let region = SecretKind::region(arn).ok_or("the ARN names no Region")?;
        let credentials = AwsCredentials::from_environment(&self.environment)
            .map_err(|name| format!("{name} is not set, so requests cannot be signed"))?;
        let (service, target, body) = match SecretKind::of(arn) {
            Some(SecretKind::SecretsManager) => (
                "secretsmanager",
                "secretsmanager.GetSecretValue",
                json!({ "SecretId": arn }),
            ),
            Some(SecretKind::ParameterStore) => (
                "ssm",
                "AmazonSSM.GetParameter",
                json!({ "Name": arn, "WithDecryption": true }),
            ),
            None => return Err("no ARN of a secret or a parameter".to_owned()),
        };
        let endpoint = match self.environment.value("AWS_ENDPOINT_URL") {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if arn.starts_with("arn:aws-cn:") => {
                format!("https://{service}.{region}.amazonaws.com.cn")
            }
            None => format!("https://{service}.{region}.amazonaws.com"),
        };
        let host = endpoint.split_once("://").map_or("", |(_, host)| host);
        let body = body.to_string();
        let headers = [("content-type", CONTENT_TYPE), ("x-amz-target", target)];
        let signable = Signable {
            method: "POST",
            host,
            path: "/",
            query: "",
            headers: &headers,
            body: body.as_bytes(),
            region,
            service,
            now: self.clock.unix_now(),
        };
        let added = signature(&signable, &credentials);
        let mut request = HttpRequest::post(&format!("{endpoint}/"), body.clone().into())
            .map_err(|error| error.to_string())?;
        let added = added.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in headers.into_iter().chain(added) {
            request = request
                .header(name, value)
                .map_err(|error| error.to_string())?;
        }
        let answer = self.http.send(request, time, MAX_ANSWER_BYTES).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!(
                "answered with status {}; may the function's role read the secret?",
                answer.status
            ));
        }
        let answer: Value = serde_json::from_slice(&answer.body)
            .map_err(|_| "answered with something else than JSON".to_owned())?;
        let secret = answer
            .get("SecretString")
            .or_else(|| answer.pointer("/Parameter/Value"));
        secret
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| "answered without a secret".to_owned())
    }
}

fn kind(arn: &str) -> &'static str {
    match SecretKind::of(arn) {
        Some(SecretKind::SecretsManager) => "AWS Secrets Manager",
        Some(SecretKind::ParameterStore) | None => "AWS Systems Manager",
    }
}
