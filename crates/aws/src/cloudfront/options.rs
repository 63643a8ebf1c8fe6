//! How a viewer request becomes a request to decide on, and how a client without a token is answered.

use super::login::LoginRedirect;
use crate::options::Origin;

/// The settings of the edge function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EdgeOptions {
    /// Scheme, host and port to put in place of `https` and the `Host` header.
    ///
    /// Set it where a distribution has more than one domain name (a wildcard is more than one) and all
    /// lead to the same backend: the client chooses among them, and so it would choose among the API
    /// services of a policy.
    pub base_url: Option<Origin>,
    /// The API that the distribution stands before, for policies that go by the id of an API.
    pub entry: Option<EdgeEntry>,
    /// Where browsers without a token are sent. Without it they get the 401 that was decided.
    pub login: Option<LoginRedirect>,
}

/// The API Gateway API and stage that a distribution forwards to. No event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeEntry {
    /// The id of the REST or HTTP API.
    pub api_id: String,
    /// The stage, `$default` for the default stage of an HTTP API.
    pub stage: String,
}
