//! `bootstrap`, the executable that Lambda starts for the runtime `provided.al2023`. Its policies are validators;
//! `bootstrap-rego` is the one that runs Rego as well.

use std::process::ExitCode;

use portcullis_authorizer::{Languages, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(Languages::NONE).await
}
