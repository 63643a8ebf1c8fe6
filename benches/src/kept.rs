//! What a run has measured so far. Each part is kept in a file of its own until the page is written, so that after a part
//! that failed, or a run that was interrupted, the next one measures only what is missing.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::section::Section;

/// How long a part may be kept, in seconds: the machine changes, and one page should be of one day.
const MAX_AGE: u64 = 6 * 60 * 60;

/// A part that was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) section: Section,
    /// What other programs took of the machine meanwhile, in percent, and how long that was in ticks of all processors.
    pub(crate) others: f64,
    pub(crate) ticks: f64,
    /// When it ended, in seconds since 1970.
    pub(crate) at: u64,
    /// On what it was measured; empty where that is not known.
    state: String,
}

/// The folder of the parts.
#[derive(Debug)]
pub(crate) struct Kept {
    folder: PathBuf,
    /// The sources and the start of the machine. Without it nothing is taken from an earlier run.
    state: Option<String>,
}

impl Kept {
    /// Of the project in that folder, as it is now.
    pub(crate) fn of(root: &Path) -> Self {
        Self {
            folder: root.join("target/bench"),
            state: state(root).ok(),
        }
    }

    /// A part that an earlier run of the same state has measured.
    #[expect(clippy::disallowed_methods, reason = "the parts are files of ours")]
    pub(crate) fn find(&self, name: &str, now: u64) -> Option<Part> {
        // Half a file, as an interrupted run leaves it, is no part.
        let part: Part = serde_json::from_slice(&fs::read(self.file(name)).ok()?).ok()?;
        let is_fresh = now.checked_sub(part.at).is_some_and(|age| age < MAX_AGE);
        (is_fresh && Some(&part.state) == self.state.as_ref()).then_some(part)
    }

    /// Keeps a part that was measured just now.
    pub(crate) fn keep(
        &self,
        name: &str,
        section: Section,
        (others, ticks): (f64, f64),
        now: u64,
    ) -> Result<Part> {
        let part = Part {
            section,
            others,
            ticks,
            at: now,
            state: self.state.clone().unwrap_or_default(),
        };
        fs::create_dir_all(&self.folder)?;
        fs::write(self.file(name), serde_json::to_vec(&part)?).context("target/bench")?;
        Ok(part)
    }

    /// Removes all parts: they are on the page.
    pub(crate) fn forget(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder).context("target/bench")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

/// The commit, what differs from it, and the start of the machine.
fn state(root: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    git(root, &["diff", "HEAD"])?.hash(&mut hasher);
    #[expect(clippy::disallowed_methods, reason = "the kernel tells it in a file")]
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(format!(
        "{} {:x} {}",
        git(root, &["rev-parse", "HEAD"])?.trim(),
        hasher.finish(),
        boot.trim()
    ))
}

fn git(root: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        // Whoever the checkout belongs to: it is only read.
        .args(["-c", "safe.directory=*"])
        .args(arguments)
        .current_dir(root)
        .output()?;
    anyhow::ensure!(output.status.success(), "git {arguments:?} failed");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Kept, MAX_AGE, Section, state};

    const NOW: u64 = 1_790_000_000;

    fn kept(folder: &tempfile::TempDir, state: Option<&str>) -> Kept {
        Kept {
            folder: folder.path().join("bench"),
            state: state.map(str::to_owned),
        }
    }

    fn section() -> Section {
        Section {
            text: "measured".to_owned(),
            versions: vec![("Node.js".to_owned(), "v20".to_owned())],
            ..Section::default()
        }
    }

    #[test]
    fn a_part_is_found_in_the_same_state_for_some_hours() {
        let folder = tempfile::tempdir().unwrap();
        let one = kept(&folder, Some("one"));
        assert!(one.find("edge", NOW).is_none());
        one.keep("edge", section(), (3.0, 100.0), NOW).unwrap();
        let found = one.find("edge", NOW + MAX_AGE - 1).unwrap();
        assert_eq!(found.section.text, "measured");
        assert_eq!(found.section.versions, section().versions);
        assert!(one.find("edge", NOW + MAX_AGE).is_none());
        assert!(one.find("edge", NOW - 1).is_none());
        assert!(one.find("decision", NOW).is_none());
        assert!(kept(&folder, Some("other")).find("edge", NOW).is_none());
        one.forget().unwrap();
        assert!(one.find("edge", NOW).is_none());
    }

    #[test]
    fn where_the_state_is_not_known_nothing_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let unknown = kept(&folder, None);
        unknown.keep("edge", section(), (3.0, 100.0), NOW).unwrap();
        assert!(unknown.find("edge", NOW).is_none());
    }

    #[test]
    fn half_a_file_is_no_part() {
        let folder = tempfile::tempdir().unwrap();
        let one = kept(&folder, Some("one"));
        one.keep("edge", section(), (3.0, 100.0), NOW).unwrap();
        let file = one.file("edge");
        let length = fs::metadata(&file).unwrap().len();
        let opened = fs::OpenOptions::new().write(true).open(&file).unwrap();
        opened.set_len(length / 2).unwrap();
        assert!(one.find("edge", NOW).is_none());
    }

    #[test]
    fn without_git_there_is_no_state() {
        state(tempfile::tempdir().unwrap().path()).unwrap_err();
    }
}
