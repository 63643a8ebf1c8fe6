//! The file that the state is kept in: replaced as a whole at every step, so that it is never half written.

use std::fs::TryLockError;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::state::BindingState;

/// Largest state file, in bytes: 5,000 APIs with a hundred routes each.
const MAX_BYTES: u64 = 128 * 1024 * 1024;

/// Where the state is kept.
#[derive(Debug, Clone)]
pub struct StateFile(PathBuf);

impl StateFile {
    /// A file that need not be there yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What it holds; `None` where there is no file.
    pub fn load(&self) -> Result<Option<BindingState>, StateFileError> {
        let failed = |error| StateFileError::Read {
            path: self.name(),
            error,
        };
        let file = match std::fs::File::open(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed)?,
        };
        let mut text = String::new();
        file.take(MAX_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(failed)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(StateFileError::TooLarge { path: self.name() });
        }
        let state = serde_json::from_str(&text);
        state.map(Some).map_err(|error| self.malformed(error))
    }

    /// Replaces what it holds: written beside it, flushed to the disk and renamed.
    pub fn save(&self, state: &BindingState) -> Result<(), StateFileError> {
        let failed = |error| StateFileError::Write {
            path: self.name(),
            error,
        };
        let mut text = serde_json::to_vec_pretty(state).map_err(|error| self.malformed(error))?;
        text.push(b'\n');
        let mut beside = self.0.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let mut file = std::fs::File::create(&beside).map_err(failed)?;
        file.write_all(&text).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(&beside, &self.0).map_err(failed)
    }

    /// Keeps other commands from using the file, for as long as the result lives; the system ends it with the process.
    pub fn lock(&self) -> Result<StateLock, StateFileError> {
        let failed = |error| StateFileError::Write {
            path: self.name(),
            error,
        };
        let mut beside = self.0.clone().into_os_string();
        beside.push(".lock");
        let file = std::fs::File::create(PathBuf::from(beside)).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(StateLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StateFileError::InUse { path: self.name() }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    fn name(&self) -> String {
        self.0.display().to_string()
    }

    fn malformed(&self, error: serde_json::Error) -> StateFileError {
        StateFileError::Malformed {
            path: self.name(),
            error,
        }
    }
}

/// The only user of a state file.
#[derive(Debug)]
pub struct StateLock {
    _file: std::fs::File,
}

/// A state file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// It cannot be read.
    #[error("cannot read the state file {path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// It cannot be written.
    #[error(
        "cannot write the state file {path}: {error}. Nothing was changed that is not recorded; run the command again"
    )]
    Write {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Another command is at work with it.
    #[error("{path} is in use by another portcullis aws: wait for it to end")]
    InUse {
        /// The file.
        path: String,
    },
    /// It holds something else.
    #[error("{path} is no state file of portcullis aws: {error}")]
    Malformed {
        /// The file.
        path: String,
        /// Where it is wrong.
        error: serde_json::Error,
    },
    /// It is larger than any that was ever written.
    #[error("{path} is larger than 128 MiB, so it is no state file of portcullis aws")]
    TooLarge {
        /// The file.
        path: String,
    },
}
