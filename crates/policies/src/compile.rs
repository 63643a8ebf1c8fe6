//! Runs a compiler that may recurse deeply or not come back.
//!
//! A large stack keeps texts that pass the checks of the engine from overflowing it, and a limit of
//! time keeps the caller from waiting for ever. Neither replaces the process in which a service has
//! policies compiled before it does so itself: a thread cannot be killed.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use portcullis_engine::Diagnostic;

/// Stack of the thread that compiles, in bytes. Only what is used of it takes memory.
const STACK_BYTES: usize = 256 * 1024 * 1024;
/// How long a policy may take to compile.
const MAX_TIME: Duration = Duration::from_secs(10);

/// What the work answers, or the problem that it does not answer.
pub(crate) fn bounded<T: Send + 'static>(
    path: &str,
    work: impl FnOnce() -> Result<T, Vec<Diagnostic>> + Send + 'static,
) -> Result<T, Vec<Diagnostic>> {
    let problem = |message: String| vec![Diagnostic::new(path, None, message)];
    let (answer, answered) = mpsc::channel();
    let started = thread::Builder::new()
        .name("compile".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            // Nobody may be waiting any more.
            let _ = answer.send(work());
        });
    if let Err(error) = started {
        return Err(problem(format!(
            "cannot start a thread to compile it: {error}"
        )));
    }
    match answered.recv_timeout(MAX_TIME) {
        Ok(done) => done,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(problem(format!(
            "it took longer than {} s to compile",
            MAX_TIME.as_secs()
        ))),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(problem("the compiler gave up on it".to_owned()))
        }
    }
}
