//! Decides on an API request with a compiled policy set.
//!
//! Floor 2: time and keys are arguments. [`PolicySet::decide`] runs to its end or stops at the one
//! thing it cannot have by itself, the keys of an issuer, and says so ([`Progress::NeedsKeys`]).
//! So the same code decides in the decision service, in a Lambda function, in WebAssembly and in
//! a test.

mod ask;
mod claim_path;
mod claims;
mod coverage;
mod credential;
mod decide;
mod decide_response;
mod diagnostic;
mod directory;
mod dpop;
mod evaluate;
mod host;
mod inspect;
mod issuer;
mod matching;
mod metadata;
mod place;
mod policy;
mod policy_set;
mod policy_test;
mod profile;
mod rehearsal;
mod rules;
mod scope_table;
mod screen;
mod sender;
mod statement;

pub use claim_path::{ClaimPath, InvalidClaimPath};
pub use claims::{AccessToken, InvalidClaims};
pub use coverage::CacheObstacle;
pub use credential::TokenHash;
pub use decide::{OpaqueToken, Progress};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use directory::{
    DocumentFile, MAX_SOURCE_BYTES, SourceFile, compile, compile_documents, documents,
};
pub use dpop::{InvalidProof, MAX_PROOF_AGE};
pub use evaluate::Question;
pub use host::{Host, Introspection, KeySource, Nonces, ProofId, ProofUse, VerifiedToken};
pub use inspect::Inspection;
pub use issuer::{InvalidIssuer, IssuerUrl};
pub use metadata::{ResourceMetadata, resource_metadata};
pub use place::Place;
pub use policy::{
    ClaimType, CustomPolicy, MAX_POLICY_BYTES, MAX_POLICY_NESTING, OperationOutline, PolicyFailure,
    PolicyFile, PolicyInput, PolicyLanguage, PolicyPlace, ServiceOutline, Verdict, World,
};
pub use policy_set::{
    ApiService, ClientAuthenticationMethod, IntrospectionPolicy, Operation, PolicySet, TokenIssuer,
    Unmatched,
};
pub use policy_test::{
    InvalidRecord, NotReplayable, PolicyCoverage, PolicyTests, RecordedDecision, TestResult,
    policy_coverage,
};
pub use profile::Profile;
pub use rehearsal::Rehearsal;
pub use scope_table::{InvalidScopeTable, any_valid_token, compile_scope_table};
pub use screen::screen;
pub use sender::{SenderFinding, sender_finding};
