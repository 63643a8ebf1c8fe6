//! What is linked into the authorizer is what docs/architecture.md lists and argues for, no more and no less: a crate that
//! comes with another one's new release is seen when it comes.

use std::collections::BTreeSet;
use std::process::Command;

use crate::ROOT;

/// A heading of docs/architecture.md. The rows of its table name crates in their second column.
const HEADING: &str = "## What is in the authorizer";

/// One of the systems that the function is built for. What another one would need may not be on this machine.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The crates of others that the authorizer is made of, proc macros among them.
fn tree() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "-p", "portcullis-authorizer", "-e", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(["--target", TARGET, "--offline", "--locked"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty() && !name.starts_with("portcullis-"))
        .map(str::to_owned)
        .collect()
}

/// The names in the table, with those that stand twice.
fn listed(page: &str) -> (BTreeSet<String>, Vec<String>) {
    let (_, section) = page.split_once(HEADING).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let crates = rows.flat_map(|row| row.split('|').nth(2).unwrap().split('`').skip(1).step_by(2));
    let (mut names, mut twice) = (BTreeSet::new(), Vec::new());
    for name in crates {
        if !names.insert(name.to_owned()) {
            twice.push(name.to_owned());
        }
    }
    (names, twice)
}

#[expect(clippy::disallowed_methods, reason = "the page is what is looked at")]
#[test]
fn every_crate_in_the_authorizer_is_argued_for() {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/architecture.md")).unwrap();
    let (listed, twice) = listed(&page);
    let tree = tree();
    // Without the table, or without the tree, all would be well.
    assert!(tree.contains("lambda_runtime") && listed.contains("lambda_runtime"));
    let unargued: Vec<_> = tree.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&tree).collect();
    assert!(
        unargued.is_empty() && gone.is_empty() && twice.is_empty(),
        "docs/architecture.md, {HEADING:?}: not listed, so keep it out or say there why it stays: {unargued:?}; \
         listed, but no longer in the tree: {gone:?}; listed twice: {twice:?}"
    );
}

#[test]
fn names_are_read_from_the_second_column() {
    let page = format!(
        "# A\n| x | `no` |\n{HEADING}\n\n| for | crates | why |\n|---|---|---|\n| `a` | `b`, `c-d` | `e` |\n| f | `b` | |\n\n## B\n| g | `h` | |\n"
    );
    let (names, twice) = listed(&page);
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["b", "c-d"]);
    assert_eq!(twice, ["b"]);
}
