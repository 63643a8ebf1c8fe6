//! A policy directory on disk: read whole, and looked at again to see whether it changed.
//!
//! Change is found by looking, once in a while, at the names, sizes and modification times. That
//! also works where notifications do not: on network file systems, and in Kubernetes volumes whose
//! files are swapped behind a symbolic link.

use std::fmt;
use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use portcullis_engine::{
    Diagnostics, MAX_SOURCE_BYTES, PolicyLanguage, PolicySet, SourceFile, compile,
};

use crate::digest::hexadecimal;

/// Most files that a policy directory may hold.
const MAX_FILES: usize = 4000;
/// The folders that are read, beside the directory itself.
const FOLDERS: [&str; 2] = ["services", "policies"];

/// A policy directory.
#[derive(Clone)]
pub struct PolicyDirectory {
    root: PathBuf,
    languages: Vec<Arc<dyn PolicyLanguage>>,
}

impl fmt::Debug for PolicyDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyDirectory")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// What a policy directory looked like: equal as long as nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fingerprint(Vec<(String, u64, Option<SystemTime>, [i64; 4])>);

impl PolicyDirectory {
    /// The directory at that path; nothing is read yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            languages: Vec::new(),
        }
    }

    /// With languages that its policies may be written in, beside validators.
    #[must_use]
    pub fn with_languages(mut self, languages: Vec<Arc<dyn PolicyLanguage>>) -> Self {
        self.languages = languages;
        self
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Reads and compiles the directory.
    pub fn load(&self) -> Result<PolicySet, LoadError> {
        Ok(self.compile(&self.read()?)?)
    }

    /// Compiles files that were read from the directory.
    pub fn compile(&self, sources: &[SourceFile]) -> Result<PolicySet, Diagnostics> {
        let policy = compile(sources, &self.languages)?;
        Ok(policy.with_revision(revision(sources)))
    }

    /// Reads the files of the directory's tests, which are no part of the policy.
    pub fn read_tests(&self) -> Result<Vec<SourceFile>, LoadError> {
        let folder = self.root.join("tests");
        let mut files = Vec::new();
        if folder.is_dir() {
            list(&folder, "tests/", &mut files)?;
        }
        files.retain(|(name, _)| matches!(name.rsplit_once('.'), Some((_, "yaml" | "yml"))));
        files.sort();
        files.iter().map(read_one).collect()
    }

    /// What the directory looks like now.
    pub fn fingerprint(&self) -> Result<Fingerprint, LoadError> {
        let mut seen = Vec::new();
        for (name, path) in self.files()? {
            let meta = fs::metadata(&path).map_err(|cause| LoadError::io(&path, cause))?;
            // The time of the last change of the inode moves also where tools keep the other.
            let inode = [
                meta.ctime(),
                meta.ctime_nsec(),
                meta.ino().cast_signed(),
                meta.dev().cast_signed(),
            ];
            seen.push((name, meta.len(), meta.modified().ok(), inode));
        }
        Ok(Fingerprint(seen))
    }

    /// Reads the files as they are.
    pub fn read(&self) -> Result<Vec<SourceFile>, LoadError> {
        let mut sources = Vec::new();
        for (name, path) in self.files()? {
            if name.ends_with('/') {
                sources.push(SourceFile {
                    path: name,
                    text: String::new(),
                });
                continue;
            }
            sources.push(read_one(&(name, path))?);
        }
        Ok(sources)
    }

    /// Every file with its name relative to the directory, sorted by name.
    fn files(&self) -> Result<Vec<(String, PathBuf)>, LoadError> {
        let mut files = Vec::new();
        list(&self.root, "", &mut files)?;
        for folder in FOLDERS {
            let path = self.root.join(folder);
            if path.is_dir() {
                list(&path, &format!("{folder}/"), &mut files)?;
            }
        }
        if files.len() > MAX_FILES {
            return Err(LoadError::TooMany {
                path: self.root.clone(),
            });
        }
        files.sort();
        Ok(files)
    }
}

/// What the files are known by: `sha256:` and a digest over each path and each text.
#[must_use]
pub fn revision(sources: &[SourceFile]) -> String {
    let parts = sources.iter().flat_map(|file| [&file.path, &file.text]);
    format!("sha256:{}", hexadecimal(parts.map(String::as_str)))
}

fn read_one((name, path): &(String, PathBuf)) -> Result<SourceFile, LoadError> {
    let meta = fs::metadata(path).map_err(|cause| LoadError::io(path, cause))?;
    if meta.len() > MAX_SOURCE_BYTES as u64 {
        return Err(LoadError::TooLarge { path: path.clone() });
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads policy files"
    )]
    let text = fs::read_to_string(path).map_err(|cause| LoadError::io(path, cause))?;
    Ok(SourceFile {
        path: name.clone(),
        text,
    })
}

fn list(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), LoadError> {
    let entries = fs::read_dir(folder).map_err(|cause| LoadError::io(folder, cause))?;
    for entry in entries {
        let entry: DirEntry = entry.map_err(|cause| LoadError::io(folder, cause))?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        // Editors and Kubernetes keep their own files under a dot.
        if name.starts_with('.') || (prefix.is_empty() && !name.starts_with("portcullis.y")) {
            continue;
        }
        // A link that leads nowhere is an error: a policy without one of its files is another one.
        let meta = fs::metadata(&path).map_err(|cause| LoadError::io(&path, cause))?;
        let name = if meta.is_dir() {
            format!("{prefix}{name}/")
        } else {
            format!("{prefix}{name}")
        };
        files.push((name, path));
    }
    Ok(())
}

/// Why a policy directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file is larger than any policy.
    #[error("{}: larger than {MAX_SOURCE_BYTES} bytes", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// More files than any policy has.
    #[error("{}: more than {MAX_FILES} files; is this a policy directory?", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
    /// The policy does not compile.
    #[error(transparent)]
    Policy(#[from] Diagnostics),
}

impl LoadError {
    fn io(path: &Path, cause: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "name: A\nbase_urls: [https://a.example]\noperations: [{ name: x, paths: [/x], public: true }]\n";

    #[test]
    fn loads_what_is_there_and_sees_changes() {
        let root = tempfile::tempdir().unwrap();
        let directory = PolicyDirectory::new(root.path());
        assert!(
            matches!(directory.load(), Err(LoadError::Policy(_))),
            "an empty directory is no policy"
        );
        fs::create_dir(root.path().join("services")).unwrap();
        fs::write(root.path().join("services/a.yaml"), SERVICE).unwrap();
        fs::write(root.path().join("README.md"), "not read").unwrap();
        fs::write(root.path().join("services/.a.yaml.swp"), "not read").unwrap();
        assert_eq!(directory.load().unwrap().services().len(), 1);
        let before = directory.fingerprint().unwrap();
        assert_eq!(directory.fingerprint().unwrap(), before);
        fs::write(
            root.path().join("services/a.yaml"),
            format!("{SERVICE}# more\n"),
        )
        .unwrap();
        assert_ne!(directory.fingerprint().unwrap(), before);
    }

    #[test]
    fn a_file_that_cannot_be_looked_at_is_never_left_out() {
        let root = tempfile::tempdir().unwrap();
        let services = root.path().join("services");
        fs::create_dir(&services).unwrap();
        fs::write(services.join("a.yaml"), SERVICE).unwrap();
        let directory = PolicyDirectory::new(root.path());
        let before = directory.fingerprint().unwrap();
        std::os::unix::fs::symlink("/no/such/admin.yaml", services.join("admin.yaml")).unwrap();
        for outcome in [
            directory.load().map(|_| ()),
            directory.fingerprint().map(|_| ()),
        ] {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains("admin.yaml"), "{error}");
        }
        fs::remove_file(services.join("admin.yaml")).unwrap();
        assert_eq!(directory.fingerprint().unwrap(), before);
        // A folder or another kind of file where services are kept is a mistake, too.
        fs::create_dir(services.join("more")).unwrap();
        assert!(matches!(directory.load(), Err(LoadError::Policy(_))));
    }

    #[test]
    fn an_edit_that_keeps_size_and_time_is_seen() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("services")).unwrap();
        let file = root.path().join("services/a.yaml");
        let write = |text: &str| {
            fs::write(&file, text).unwrap();
            let file = fs::File::options().write(true).open(&file).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        };
        write(SERVICE);
        let directory = PolicyDirectory::new(root.path());
        let before = directory.fingerprint().unwrap();
        write(&SERVICE.replace("true", "null"));
        assert_ne!(directory.fingerprint().unwrap(), before);
    }

    #[test]
    fn says_which_directory_is_missing() {
        let error = PolicyDirectory::new("/no/such/policy").load().unwrap_err();
        assert!(
            error.to_string().starts_with("/no/such/policy: "),
            "{error}"
        );
    }
}
