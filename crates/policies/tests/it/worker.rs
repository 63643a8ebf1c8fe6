//! The process that tries policies out: what becomes of one that crashes, and what needs none.

use std::path::PathBuf;

use portcullis_policies::{Worker, WorkerError};

use crate::sources;

fn worker(script: &str) -> Worker {
    Worker::new(PathBuf::from("/bin/sh"), &["-c", script])
}

#[test]
fn a_process_that_dies_is_an_error_and_nothing_else() {
    let rego = sources("rego", "package acp.authz\nallow := true\n");
    for script in [
        "kill -SEGV $$",
        "kill -KILL $$",
        "cat > /dev/null; exit 3",
        "exit 1",
    ] {
        let outcome = worker(script).try_out(&rego);
        assert!(
            matches!(outcome, Err(WorkerError::Died(_))),
            "{script}: {outcome:?}"
        );
    }
    assert!(worker("cat > /dev/null").try_out(&rego).is_ok());
    // A process that ends well without having read everything has not failed.
    assert!(worker("true").try_out(&rego).is_ok());
    let nowhere = Worker::new(PathBuf::from("/no/such/program"), &[]);
    assert!(matches!(nowhere.try_out(&rego), Err(WorkerError::Start(_))));
}

#[test]
fn validators_need_no_process() {
    let validators = sources("yaml", "validators: [{ name: 'true' }]\n");
    assert!(worker("exit 1").try_out(&validators).is_ok());
}
