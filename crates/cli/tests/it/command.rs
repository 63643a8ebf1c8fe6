//! Runs the real binary.

use std::io::Write;
use std::process::{Command, Stdio};

/// What a run of `portcullis` came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// `portcullis` with nothing in its environment.
pub(crate) fn portcullis() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.env_clear();
    command
}

/// Runs `portcullis` with that text on standard input.
pub(crate) fn run(arguments: &[&str], input: &str) -> Run {
    let mut child = portcullis()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that fails before it reads its input closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Run {
        status: output.status.code().unwrap(),
        output: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn help_has_examples() {
    for command in [
        &["serve"][..],
        &["policy", "check"],
        &["decide"],
        &["token", "verify"],
        &["package", "edge"],
        &["package", "authorizer"],
        &["aws", "discover"],
        &["aws", "plan"],
        &["aws", "bind"],
        &["aws", "unbind"],
        &["aws", "doctor"],
    ] {
        let arguments = [command, &["--help"]].concat();
        let help = run(&arguments, "");
        assert_eq!(help.status, 0);
        assert!(help.output.contains("Examples:"), "{command:?}");
    }
}

#[test]
fn wrong_arguments_are_a_failure_of_the_command() {
    assert_eq!(run(&[], "").status, 2);
    assert_eq!(run(&["polcy"], "").status, 2);
    let run = run(&["serve"], "");
    assert_eq!(run.status, 2);
    assert!(run.errors.contains("--policy <DIR>"), "{}", run.errors);
}
