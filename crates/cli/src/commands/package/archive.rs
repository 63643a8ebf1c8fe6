//! A zip as AWS wants it: the same bytes for the same content, so that a digest tells whether a function changed.

use std::fs::{self, OpenOptions};
use std::io::{self, Cursor, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use zip::read::ZipArchive;
use zip::write::{SimpleFileOptions, ZipWriter};

/// A zip that is being written, in memory.
pub(super) struct Archive(ZipWriter<Cursor<Vec<u8>>>);

impl Archive {
    /// One without a file.
    pub(super) fn new() -> Self {
        Self(ZipWriter::new(Cursor::default()))
    }

    /// Takes all files of another zip over, as they are.
    pub(super) fn take(&mut self, zip: &[u8]) -> Result<()> {
        let mut archive = ZipArchive::new(Cursor::new(zip))?;
        for index in 0..archive.len() {
            self.0.raw_copy_file(archive.by_index_raw(index)?)?;
        }
        Ok(())
    }

    /// Adds a file that everybody may read, because Lambda runs a function as another user.
    pub(super) fn add(&mut self, name: &str, content: &[u8], kind: Kind) -> Result<()> {
        let options = SimpleFileOptions::default()
            .compression_level(Some(9))
            .unix_permissions(match kind {
                Kind::Data => 0o644,
                Kind::Executable => 0o755,
            });
        self.0.start_file(name, options)?;
        self.0.write_all(content)?;
        Ok(())
    }

    /// The zip.
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        Ok(self.0.finish()?.into_inner())
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
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&beside)?.write_all(content)?;
        fs::rename(&beside, path)
    };
    attempt().with_context(|| format!("{} cannot be written", path.display()))
}
