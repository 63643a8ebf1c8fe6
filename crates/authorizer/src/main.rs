//! `bootstrap`, the executable that Lambda starts for the runtime `provided.al2023`.

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, run, service_fn};
use portcullis_authorizer::{Authorizer, Environment, Failure, LogLevel, Settings, start_log};
use portcullis_aws::Answer;
use portcullis_pdp::clock::SystemClock;
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let environment = Environment::of_process();
    start_log(LogLevel::from_environment(&environment));
    let authorizer = match start(environment.clone()) {
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
        ended = run(handler) => ended,
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

fn start(environment: Environment) -> Result<Authorizer, String> {
    let settings = Settings::from_environment(&environment).map_err(|error| error.to_string())?;
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
