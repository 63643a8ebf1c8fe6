//! The sideband protocol of PingOne Authorize and PingAuthorize: an enforcement point describes a
//! request, the decision service answers with an echo of it (permit) or an echo and a `response`
//! for the client (deny).
//!
//! Floor 2: types and conversions in both directions, no HTTP. There is no published
//! specification; the shapes follow Ping Identity's own open clients and recordings of the live
//! service. Strict in what is sent, tolerant in what is received, except where tolerance could
//! turn an answer into a permit.

mod certificate;
mod error;
mod header;
mod loose;
mod object;
mod reply;
mod request;
mod response;

pub use certificate::ClientCertificateJwk;
pub use error::SidebandError;
pub use header::Headers;
pub use reply::{BadAnswer, MAX_REPLY_BYTES, Response, SidebandReply};
pub use request::{InvalidRequest, SidebandRequest, UNKNOWN_SOURCE_IP, UNKNOWN_SOURCE_PORT};
pub use response::{SidebandResponse, SidebandResponseReply};
