//! The life of the function: from the environment of its process to the loop of events.

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use portcullis_aws::Answer;
use portcullis_enforcement::{Environment, Languages, LogLevel};
use portcullis_pdp::clock::SystemClock;
use serde_json::value::RawValue;

use crate::authorizer::{Authorizer, Failure};
use crate::log::start_log;
use crate::settings::Settings;

/// Runs the function under the Lambda runtime API until that fails, with policies in these languages beside validators.
///
/// Exit status 2 says that the settings cannot be used, which one line in the log explains.
pub async fn run(languages: Languages) -> ExitCode {
    let environment = Environment::of_process();
    start_log(LogLevel::from_environment(&environment));
    let authorizer = match start(environment.clone(), languages) {
        Ok(authorizer) => authorizer,
        Err(reason) => {
            tracing::error!("{reason}");
            return ExitCode::from(2);
        }
    };
    let handler = service_fn(|event: LambdaEvent<Box<RawValue>>| {
        let authorizer = &authorizer;
        async move {
            respond(
                authorizer
                    .take(&event.payload, &event.context.request_id)
                    .await,
            )
        }
    });
    authorizer.prepare(&environment).await;
    // What decisions need is fetched while the first event is waited for, which delays nobody.
    let ended = tokio::select! {
        ended = lambda_runtime::run(handler) => ended,
        never = authorizer.run_beside() => match never {},
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the Lambda runtime API failed");
            ExitCode::FAILURE
        }
    }
}

fn start(environment: Environment, languages: Languages) -> Result<Authorizer, String> {
    let settings =
        Settings::with_languages(&environment, languages).map_err(|error| error.to_string())?;
    Authorizer::new(settings, environment, Arc::new(SystemClock)).map_err(|error| error.to_string())
}

/// API Gateway answers 401 only if the function fails with exactly this message (API Gateway
/// developer guide, "Output from an API Gateway Lambda authorizer").
fn respond(outcome: Result<Option<Answer>, Failure>) -> Result<Option<Answer>, Diagnostic> {
    match outcome? {
        Some(Answer::Unauthorized) => Err(Diagnostic {
            error_type: "Unauthorized".to_owned(),
            error_message: "Unauthorized".to_owned(),
        }),
        answer => Ok(answer),
    }
}
