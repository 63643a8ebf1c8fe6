//! The metadata of an API service as a protected resource (RFC 9728): what a client that knows only
//! the API needs to find out where to get a token for it.

use portcullis_model::BaseUrl;
use serde::Serialize;

use crate::decide::DPOP_ALGORITHMS;
use crate::policy_set::{ApiService, Step};
use crate::rules::{Rule, SenderConstraintRule};

/// Where the metadata of a resource is: the well-known name goes between host and path (RFC 9728
/// section 3.1).
pub(crate) fn metadata_url(resource: &BaseUrl) -> String {
    let whole = resource.as_str();
    let host_at = whole.find("://").map_or(0, |at| at + 3);
    let path_at = whole
        .get(host_at..)
        .and_then(|rest| rest.find('/'))
        .map_or(whole.len(), |at| host_at + at);
    let (origin, path) = whole.split_at(path_at);
    format!("{origin}/.well-known/oauth-protected-resource{path}")
}

/// The metadata document of a resource (RFC 9728 section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceMetadata {
    /// The resource identifier.
    pub resource: String,
    /// The name for people.
    pub resource_name: String,
    /// The issuers whose tokens are accepted.
    pub authorization_servers: Vec<String>,
    /// Every scope that some operation asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// How tokens may be sent: in the header only.
    pub bearer_methods_supported: Vec<String>,
    /// The signature algorithms of DPoP proofs.
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// Whether every operation that takes a token asks for one that is bound to a DPoP key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dpop_bound_access_tokens_required: bool,
    /// Whether some operation takes tokens that are bound to a client certificate only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// Where the document has to be.
    #[serde(skip)]
    pub url: String,
}

/// The metadata of an API service; `None` where it has no base URL, and so no identifier.
#[must_use]
pub fn resource_metadata(service: &ApiService) -> Option<ResourceMetadata> {
    let base = service.base_urls.first()?;
    let guarded: Vec<Vec<&Rule>> = service
        .operations()
        .iter()
        .filter_map(|operation| operation.guard.steps())
        .map(|steps| steps.iter().filter_map(Step::rule).collect())
        .collect();
    let mut scopes: Vec<String> = guarded
        .iter()
        .flat_map(|rules| rules.iter())
        .filter_map(|rule| match *rule {
            Rule::Scopes(rule) => Some(rule.scopes()),
            _ => None,
        })
        .flatten()
        .map(str::to_owned)
        .collect();
    scopes.sort();
    scopes.dedup();
    let asks = |rules: &[&Rule], constraint| rules.contains(&&Rule::SenderConstraint(constraint));
    Some(ResourceMetadata {
        resource: base.as_str().to_owned(),
        resource_name: service.name.to_string(),
        authorization_servers: service
            .tokens
            .iter()
            .map(|token| token.issuer.to_string())
            .collect(),
        scopes_supported: scopes,
        bearer_methods_supported: vec!["header".to_owned()],
        dpop_signing_alg_values_supported: DPOP_ALGORITHMS.split(' ').map(str::to_owned).collect(),
        dpop_bound_access_tokens_required: !guarded.is_empty()
            && guarded
                .iter()
                .all(|rules| asks(rules, SenderConstraintRule::Dpop)),
        tls_client_certificate_bound_access_tokens: guarded
            .iter()
            .any(|rules| asks(rules, SenderConstraintRule::Mtls)),
        url: metadata_url(base),
    })
}
