//! The state file: whole, bounded, and about one account.

use portcullis_discovery::{BindingState, Selection, StateFile, StateFileError, StateMismatch};

use crate::fake::{FakeAws, World, fresh, run};

fn account() -> portcullis_discovery::Account {
    run(FakeAws::new(World::new(Vec::new())).read(&Selection::default()))
}

#[test]
fn what_was_saved_is_loaded_and_nothing_else_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path().join("state.json"));
    assert!(file.load().unwrap().is_none());
    let state = fresh(&account());
    file.save(&state).unwrap();
    file.save(&state).unwrap();
    assert_eq!(file.load().unwrap(), Some(state));
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(names.len(), 1);
}

#[test]
fn other_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    for text in ["", "{}", "[1]", r#"{"version": 1, "surprise": true}"#] {
        std::fs::write(&path, text).unwrap();
        let error = StateFile::new(&path).load().unwrap_err();
        assert!(
            matches!(error, StateFileError::Malformed { .. }),
            "{text}: {error}"
        );
    }
}

#[test]
fn a_state_of_another_account_or_version_is_refused() {
    let account = account();
    let state = |version: u32, id: &str, region: &str| -> BindingState {
        let text =
            serde_json::json!({"version": version, "account": id, "region": region, "apis": {}});
        serde_json::from_value(text).unwrap()
    };
    assert_eq!(
        state(1, &account.id, &account.region).check(&account),
        Ok(())
    );
    assert_eq!(
        state(2, &account.id, &account.region).check(&account),
        Err(StateMismatch::Version(2))
    );
    for other in [
        state(1, "999999999999", &account.region),
        state(1, &account.id, "us-east-1"),
    ] {
        assert!(matches!(
            other.check(&account),
            Err(StateMismatch::Elsewhere { .. })
        ));
    }
}

#[test]
fn one_command_at_a_time_uses_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path().join("state.json"));
    let lock = file.lock().unwrap();
    assert!(matches!(
        file.lock().unwrap_err(),
        StateFileError::InUse { .. }
    ));
    drop(lock);
    file.lock().unwrap();
}
