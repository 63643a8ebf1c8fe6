//! A zip as AWS wants it: the same bytes for the same content, so that a digest tells whether a function changed.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Cursor, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use zip::read::ZipArchive;
use zip::write::{SimpleFileOptions, ZipWriter};

/// A zip that is being written, in memory.
pub(super) struct Archive {
    zip: ZipWriter<Cursor<Vec<u8>>>,
    names: HashSet<String>,
}

impl Archive {
    /// One without a file.
    pub(super) fn new() -> Self {
        Self {
            zip: ZipWriter::new(Cursor::default()),
            names: HashSet::new(),
        }
    }

    /// Takes all files of another zip over, as they are.
    pub(super) fn take(&mut self, zip: &[u8]) -> Result<()> {
        let mut archive = ZipArchive::new(Cursor::new(zip))?;
        for index in 0..archive.len() {
            let file = archive.by_index_raw(index)?;
            self.names.insert(file.name()?.into_owned());
            self.zip.raw_copy_file(file)?;
        }
        Ok(())
    }

    /// Whether it has a file of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Adds a file that everybody may read, because Lambda runs a function as another user.
    pub(super) fn add(&mut self, name: &str, content: &[u8], kind: Kind) -> Result<()> {
        let options = SimpleFileOptions::default()
            .compression_level(Some(9))
            .unix_permissions(match kind {
                Kind::Data => 0o644,
                Kind::Executable => 0o755,
            });
        self.zip.start_file(name, options)?;
        self.zip.write_all(content)?;
        self.names.insert(name.to_owned());
        Ok(())
    }

    /// The zip.
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        Ok(self.zip.finish()?.into_inner())
    }
}

/// What a file is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Data,
    Executable,
}

/// Reads what is packed.
#[expect(clippy::disallowed_methods, reason = "files that arguments name")]
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

/// Reads settings.
#[expect(clippy::disallowed_methods, reason = "files that arguments name")]
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

/// Writes a file that only its owner may read: it may hold secrets. What was there is replaced at once or not at all.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<()> {
    let beside = path.with_extension("zip.part");
    let attempt = || -> io::Result<()> {
        // What is left there, or waits there, may belong to somebody else or lead elsewhere.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&beside)?;
        let written = file.write_all(content);
        let written = written.and_then(|()| fs::rename(&beside, path));
        if written.is_err() {
            // What failed is told, and not what becomes of the part.
            drop(fs::remove_file(&beside));
        }
        written
    };
    attempt().with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_waits_beside_a_zip_gets_nothing_of_it() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("elsewhere"), "kept").unwrap();
        symlink(at("elsewhere"), at("edge.zip.part")).unwrap();
        write(&at("edge.zip"), b"secret").unwrap();
        assert_eq!(read_file(&at("elsewhere")).unwrap(), b"kept");
        assert!(fs::symlink_metadata(at("edge.zip")).unwrap().is_file());

        // Others may read the file that waits there.
        fs::write(at("edge.zip.part"), "").unwrap();
        fs::set_permissions(at("edge.zip.part"), fs::Permissions::from_mode(0o666)).unwrap();
        write(&at("edge.zip"), b"secret").unwrap();
        let mode = fs::metadata(at("edge.zip")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_zip_that_cannot_be_written_leaves_nothing() {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("edge.zip")).unwrap();
        assert!(write(&folder.path().join("edge.zip"), b"secret").is_err());
        assert!(!folder.path().join("edge.zip.part").exists());
    }
}
