//! What an answer left out or added because CloudFront, or HTTP, would not take it otherwise.

/// One thing that an answer leaves out of a decision, or does beyond it. Its text is fit for a log:
/// it holds the name of a header at most, in lower case, and never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// A header that functions may not set.
    #[error("header {name} left out: CloudFront does not let functions set it")]
    HeaderDisallowed {
        /// The header.
        name: String,
    },
    /// A header of the request that functions may not change.
    #[error("header {name} left as it was: CloudFront does not let functions change it")]
    HeaderReadOnly {
        /// The header.
        name: String,
    },
    /// A header that a response made by a function cannot have.
    #[error("header {name} left out: it is not for a function to set in a response")]
    HeaderNotForResponse {
        /// The header.
        name: String,
    },
    /// A header of the client that a backend could take for one that was edited.
    #[error("header {name} removed: many backends take it for a header that the decision edits")]
    HeaderTwin {
        /// The header.
        name: String,
    },
    /// A response over the limit of CloudFront.
    #[error("body cut: a response of a function has a limit")]
    BodyCut,
    /// A body under a status that has none.
    #[error("body left out: a response with this status has none")]
    BodyLeftOut,
    /// A URL that makes the redirect to the login page too long.
    #[error("return_to left out: with it the URL of the login page would be too long")]
    ReturnToLeftOut,
}
