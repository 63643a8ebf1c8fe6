//! The folders that are measured, as they would be zipped for Lambda: Portcullis' handler with its WebAssembly module,
//! and the handler by hand.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tempfile::TempDir;

use crate::decision_service::CREDENTIAL;
use crate::figures::zip_size;

/// Where the package of `PingOne`'s kit has its files, and so these.
const SOURCES: &str = "aws-lambda-authorizer/src";
const HANDLER: &str = "aws-lambda-authorizer.js";

/// One package. It is removed with this value.
pub(crate) struct Package {
    folder: TempDir,
    /// The zip that was built from the same files, but for the settings.
    zip: Option<PathBuf>,
}

impl Package {
    /// Portcullis, from `js/` of the crate and the module that was built.
    pub(crate) fn of_portcullis(root: &Path, service_url: &str) -> Result<Self> {
        let module = target_directory(root).join("edge/plain");
        let zip = module.with_extension("zip");
        ensure!(
            zip.is_file(),
            "{} is not there: run `make build` first",
            zip.display()
        );
        let mut package = Self::with_config(service_url)?;
        package.zip = Some(zip);
        for folder in [root.join("crates/edge/js"), module] {
            for file in fs::read_dir(&folder)? {
                let file = file?;
                fs::copy(file.path(), package.file(file.file_name()))?;
            }
        }
        Ok(package)
    }

    /// The handler that makes the same call by hand.
    pub(crate) fn by_hand(root: &Path, service_url: &str) -> Result<Self> {
        let package = Self::with_config(service_url)?;
        let handler = root.join("benches/peers/edge-sideband.cjs");
        fs::copy(&handler, package.handler()).with_context(|| handler.display().to_string())?;
        Ok(package)
    }

    fn with_config(service_url: &str) -> Result<Self> {
        let package = Self {
            folder: tempfile::tempdir()?,
            zip: None,
        };
        fs::create_dir_all(package.folder.path().join(SOURCES))?;
        let config = json!({
            "SECRET_HEADER_VALUE": CREDENTIAL, "SERVICE_URL": service_url, "IS_DEBUG_ENABLED": false, "MAX_RETRIES": 1,
        });
        fs::write(
            package.file("config.js"),
            format!("module.exports = {config};\n"),
        )?;
        Ok(package)
    }

    /// The file that exports the handler.
    pub(crate) fn handler(&self) -> PathBuf {
        self.file(HANDLER)
    }

    /// Bytes of a zip with the package.
    pub(crate) fn zip_size(&self) -> Result<u64> {
        match &self.zip {
            Some(zip) => Ok(fs::metadata(zip)?.len()),
            None => zip_size(&[&self.folder.path().join("aws-lambda-authorizer")]),
        }
    }

    fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(SOURCES).join(name)
    }
}

/// Where cargo builds to.
#[expect(
    clippy::disallowed_methods,
    reason = "the module is where cargo's own variable says"
)]
fn target_directory(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}
