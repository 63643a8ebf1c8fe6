//! The signature primitives of this build: aws-lc-rs natively, those of Node.js in WebAssembly.

#[cfg(not(target_family = "wasm"))]
pub use portcullis_jose::AwsLc as Crypto;
#[cfg(target_family = "wasm")]
pub use portcullis_jose::NodeCrypto as Crypto;
