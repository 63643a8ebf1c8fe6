//! Decides on an API request with a compiled policy set.
//!
//! Floor 2: time and keys are arguments. [`PolicySet::decide`] runs to its end or stops at the one
//! thing it cannot have by itself, the keys of an issuer, and says so ([`Progress::NeedsKeys`]).
//! So the same code decides in the decision service, in a Lambda function, in WebAssembly and in
//! a test.

mod bearer;
mod claims;
mod decide;
mod diagnostic;
mod directory;
mod issuer;
mod matching;
mod policy_set;
mod profile;
mod rules;
mod screen;

pub use claims::{AccessToken, InvalidClaims};
pub use decide::{KeySource, Progress};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use directory::{MAX_SOURCE_BYTES, SourceFile, compile};
pub use issuer::{InvalidIssuer, IssuerUrl};
pub use policy_set::{ApiService, Operation, PolicySet, TokenIssuer, Unmatched};
pub use profile::Profile;
pub use screen::screen;
