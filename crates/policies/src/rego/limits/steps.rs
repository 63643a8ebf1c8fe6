//! Evaluation one instruction at a time.

use portcullis_engine::PolicyFailure;
use regorus::Value;
use regorus::rvm::RegoVM;
use regorus::rvm::vm::{ExecutionMode, ExecutionState, SuspendReason};

use super::failure;

/// Evaluates a rule and asks after each instruction, with how many there were, whether a limit is exceeded.
pub(super) fn run_in_steps(
    machine: &mut RegoVM,
    entry: &str,
    exceeded: impl Fn(usize) -> Option<&'static str>,
) -> Result<Value, PolicyFailure> {
    machine.set_execution_mode(ExecutionMode::Suspendable);
    machine.set_step_mode(true);
    let mut value = machine.execute_entry_point_by_name(entry);
    for steps in 1_usize.. {
        let found = value.map_err(|error| failure(&error))?;
        match machine.execution_state() {
            ExecutionState::Completed { .. } => return Ok(found),
            ExecutionState::Suspended {
                reason: SuspendReason::Step,
                ..
            } => {}
            _ => break,
        }
        if let Some(limit) = exceeded(steps) {
            return Err(PolicyFailure::Limit(limit));
        }
        value = machine.resume(None);
    }
    Err(PolicyFailure::Failed(
        "the Rego machine stopped on its way".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rego::{ALLOW, RegoPolicy, compile, limits};

    const POLICIES: [&str; 10] = [
        "allow := true",
        "default allow := false\nallow if input.level > 2",
        "default allow = false\nallow { input.tags[_] == \"ops\" }",
        "allow if count({x | some x in input.tags; startswith(x, \"o\")}) == 1",
        "allow if every x in input.tags { regex.match(`^\\w+$`, x) }",
        "allow if not denied\ndenied if input.level < 3\ndenied if net.cidr_contains(\"10.0.0.0/8\", \"10.1.2.3\")",
        "allow := double(input.level) == 6\ndouble(x) := x * 2",
        "allow := true if input.nothing else := true if input.level == 3 else := false",
        "allow if input.level / 0 == 1",
        "allow := sum([n | some i, x in input.tags; n := i * input.level; x != \"hr\"]) == 6",
    ];

    fn policy(text: &str) -> RegoPolicy {
        compile("p.rego", &format!("package acp.authz\n{text}\n")).unwrap()
    }

    fn machine(policy: &RegoPolicy) -> RegoVM {
        let input = serde_json::json!({ "level": 3, "tags": ["ops", "dev", "hr"] });
        policy
            .machine(serde_json::from_value(input).unwrap())
            .unwrap()
    }

    #[test]
    fn the_answer_is_the_one_of_a_machine_that_is_not_stopped() {
        for text in POLICIES {
            let policy = policy(text);
            let whole = limits::run(&mut machine(&policy), ALLOW);
            let mut stopped = machine(&policy);
            for _ in 0..2 {
                assert_eq!(run_in_steps(&mut stopped, ALLOW, |_| None), whole, "{text}");
            }
        }
    }

    #[test]
    fn it_ends_where_a_limit_is_exceeded() {
        let policy = policy(
            "allow if count([x | some i in input.tags; some j in input.tags; x := [i, j]]) > 0",
        );
        let stop = |most: usize| {
            run_in_steps(&mut machine(&policy), ALLOW, |steps| {
                assert!(steps <= most);
                (steps == most).then_some("time")
            })
        };
        assert_eq!(stop(10), Err(PolicyFailure::Limit("time")));
        let mut bounded = machine(&policy);
        bounded.set_max_instructions(10);
        assert_eq!(
            run_in_steps(&mut bounded, ALLOW, |_| None),
            Err(PolicyFailure::Limit("steps"))
        );
    }
}
