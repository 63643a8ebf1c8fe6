//! `bootstrap-rego`, the Lambda authorizer whose policies may be in Rego. In the zip its name is `bootstrap`, which is what
//! the runtime `provided.al2023` starts.
//!
//! Floor 5. All that it adds to `bootstrap` is the language; an executable of its own, because the interpreter makes the
//! function larger and slower to start.

use std::process::ExitCode;
use std::sync::Arc;

use portcullis_authorizer::{Languages, run};
use portcullis_policies::Rego;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // The allocator that the interpreter brings asks the kernel for pages of 2 MB. A kernel without them refuses, and
    // nothing is lost.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    run(Languages(vec![Arc::new(Rego)])).await
}
