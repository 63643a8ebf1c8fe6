//! The Lambda@Edge function: viewer requests of CloudFront in, requests or generated responses out. It decides nothing.
//!
//! Floor 5. It runs as WebAssembly in a Node.js function: `js/` holds the handler and what Node.js provides, `wasm` the
//! border between the two. All else also builds natively, so that tests and `portcullis package edge` use it as it is.

mod aws_secrets;
mod config;
mod function;
mod settings;
mod variables;
#[cfg(target_family = "wasm")]
pub mod wasm;

use portcullis_enforcement::Languages;

pub use aws_secrets::AwsSecrets;
pub use config::{InvalidConfig, MAX_CONFIG_BYTES, SETTINGS, SettingType, kind_of, read_config};
pub use function::{EdgeFunction, Handled};
pub use settings::{EdgeSettings, PartialBodyRule};
pub use variables::VARIABLES;

/// The languages, beside validators, that this build has.
#[must_use]
pub fn languages() -> Languages {
    #[cfg(any(feature = "rego", feature = "cedar"))]
    return Languages(portcullis_policies::languages());
    #[cfg(not(any(feature = "rego", feature = "cedar")))]
    Languages::NONE
}
