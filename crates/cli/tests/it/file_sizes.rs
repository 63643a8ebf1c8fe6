//! A file has one subject, and one that has grown past 500 lines hardly ever has one: split it along its subjects, not into
//! halves.

use std::process::Command;

use crate::ROOT;

/// The most lines of a source file.
const MOST_LINES: usize = 500;

/// The kinds of files that people write by hand.
const ENDINGS: [&str; 8] = ["rs", "py", "js", "cjs", "mjs", "ts", "html", "css"];

/// Larger files, each with the reason why it is not split.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// Every source file of the project: those that git knows, and new ones that it does not ignore.
fn sources() -> Vec<String> {
    let output = Command::new("git")
        // Whoever the checkout belongs to: it is only read.
        .args(["-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let listed = String::from_utf8(output.stdout).unwrap();
    let is_source = |path: &str| {
        let ending = path.rsplit_once('.').map(|(_, ending)| ending);
        ending.is_some_and(|ending| ENDINGS.contains(&ending))
    };
    listed
        .lines()
        .filter(|path| is_source(path))
        .map(str::to_owned)
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sources are what is looked at"
)]
#[test]
fn no_source_file_is_long_without_a_reason() {
    let sources = sources();
    let this_file = "crates/cli/tests/it/file_sizes.rs";
    assert!(sources.iter().any(|path| path == this_file), "{sources:?}");
    let mut long = Vec::new();
    for path in &sources {
        // One that was deleted, and not yet committed so, is on the list still.
        let Ok(text) = std::fs::read_to_string(format!("{ROOT}/{path}")) else {
            continue;
        };
        let lines = text.lines().count();
        let is_excepted = EXCEPTIONS.iter().any(|(excepted, _)| excepted == path);
        assert!(
            !is_excepted || lines > MOST_LINES,
            "{path} has {lines} lines, so it needs no exception: take it out of the list here"
        );
        if lines > MOST_LINES && !is_excepted {
            long.push(format!("{path}: {lines} lines"));
        }
    }
    assert!(
        long.is_empty(),
        "longer than {MOST_LINES} lines: give each subject a file of its own, or list it here with the reason: {long:#?}"
    );
}
