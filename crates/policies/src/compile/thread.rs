//! A thread for a compiler that may recurse deeply or not come back.
//!
//! A large stack keeps texts that pass the checks of the engine from overflowing it, and a limit of
//! time keeps the caller from waiting for ever. Neither replaces the process in which a service has
//! policies compiled before it does so itself: a thread cannot be killed.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use portcullis_engine::Diagnostic;

/// Stack of the thread that compiles, in bytes: the largest that the system gives. Only what is used of it takes
/// memory, but a system with less memory than that refuses, as a small Lambda function is.
const STACK_BYTES: [usize; 3] = [256 * 1024 * 1024, 64 * 1024 * 1024, 16 * 1024 * 1024];
/// How long a policy may take to compile.
const MAX_TIME: Duration = Duration::from_secs(10);

/// What the work answers, or the problem that it does not answer.
pub(crate) fn bounded<T: Send + 'static>(
    path: &str,
    work: impl FnOnce() -> Result<T, Vec<Diagnostic>> + Send + 'static,
) -> Result<T, Vec<Diagnostic>> {
    on_stack(path, &STACK_BYTES, work)
}

fn on_stack<T: Send + 'static>(
    path: &str,
    stacks: &[usize],
    work: impl FnOnce() -> Result<T, Vec<Diagnostic>> + Send + 'static,
) -> Result<T, Vec<Diagnostic>> {
    let problem = |message: String| vec![Diagnostic::new(path, None, message)];
    let (answer, answered) = mpsc::channel();
    // A thread that does not start drops what it was to do, so each attempt has it by reference.
    let work = Arc::new(Mutex::new(Some(work)));
    let start = |bytes: &usize| {
        let (work, answer) = (Arc::clone(&work), answer.clone());
        thread::Builder::new()
            .name("compile".to_owned())
            .stack_size(*bytes)
            .spawn(move || {
                let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(work) = work {
                    // Nobody may be waiting any more.
                    let _ = answer.send(work());
                }
            })
            .is_ok()
    };
    if !stacks.iter().any(start) {
        return Err(problem("cannot start a thread to compile it".to_owned()));
    }
    drop(answer);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_that_cannot_be_had_is_replaced_by_a_smaller_one() {
        let more_than_there_is = 1 << 60;
        assert_eq!(
            on_stack("p.rego", &[more_than_there_is, 1 << 20], || Ok(7)),
            Ok(7)
        );
        let none = on_stack("p.rego", &[more_than_there_is], || Ok(7)).unwrap_err();
        assert!(none[0].message.contains("cannot start"), "{none:?}");
    }

    #[test]
    fn a_compiler_that_panics_is_a_problem_of_the_policy() {
        let found = bounded::<()>("p.rego", || panic!("for the test")).unwrap_err();
        assert!(found[0].message.contains("gave up"), "{found:?}");
    }
}
