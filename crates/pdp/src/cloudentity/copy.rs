//! The last good configuration in a file, for an instance that starts while its control plane is away.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use portcullis_jose::base64url_encode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Largest file, in bytes.
const MAX_FILE_BYTES: u64 = 20 * 1024 * 1024;

/// A file that holds the last good configuration.
#[derive(Debug, Clone)]
pub struct ConfigurationCopy(PathBuf);

/// What is in it.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// When it was last known to be current, in seconds since 1970.
    pub(super) checked_at: u64,
    /// Its entity tag.
    pub(super) etag: Option<String>,
    /// Whose it is: a copy of another gateway is none of ours.
    pub(super) gateway: String,
    /// The JSON.
    pub(super) configuration: Box<RawValue>,
}

impl ConfigurationCopy {
    /// A file at that path, which need not be there; its directory must.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// What is in it; `None` where it is not there or not one of that gateway.
    pub(super) fn read(&self, gateway: &str) -> Option<Kept> {
        let mut text = Vec::new();
        let file = fs::File::open(&self.0).ok()?;
        file.take(MAX_FILE_BYTES).read_to_end(&mut text).ok()?;
        let kept: Kept = serde_json::from_slice(&text).ok()?;
        (kept.gateway == gateway).then_some(kept)
    }

    /// Puts something else in it, whole or not at all.
    pub(super) fn write(&self, kept: &Kept) -> io::Result<()> {
        let new = self.0.with_extension("new");
        write_whole(&new, &serde_json::to_vec(kept)?)?;
        fs::rename(&new, &self.0)
    }
}

impl ConfigurationCopy {
    /// Notes that the configuration of that digest was current at that time, in a small file beside the copy.
    pub(super) fn confirm(&self, digest: &[u8; 32], at: u64) -> io::Result<()> {
        let new = self.0.with_extension("checked.new");
        write_whole(
            &new,
            format!("{at} {}", base64url_encode(digest)).as_bytes(),
        )?;
        fs::rename(&new, self.0.with_extension("checked"))
    }

    /// When that was noted last.
    pub(super) fn confirmed(&self, digest: &[u8; 32]) -> Option<u64> {
        let mut text = String::new();
        let file = fs::File::open(self.0.with_extension("checked")).ok()?;
        file.take(256).read_to_string(&mut text).ok()?;
        let (at, of) = text.split_once(' ')?;
        (of == base64url_encode(digest)).then(|| at.parse().ok())?
    }
}

fn write_whole(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(text)
}
