//! How the keys of the issuer are had, and how it is asked about opaque tokens: by way of the control plane.

use std::sync::{Arc, RwLock};

use serde_json::json;

use super::control_plane::ControlPlane;
use crate::keys::{Fetch, FetchError, FetchFuture, FormPost, PostFuture};

/// Fetches as `inner` does, but that the metadata of the configuration's issuer says where its keys are according to
/// the configuration, and that introspection is authorized by a token of the system issuer.
#[derive(Debug)]
pub(super) struct ByControlPlane {
    pub(super) inner: Arc<dyn Fetch>,
    pub(super) control_plane: Arc<ControlPlane>,
    pub(super) introspection_endpoint: String,
    /// The issuer of the configuration and the URL of its keys.
    pub(super) issuer: RwLock<(String, String)>,
}

/// The same form.
fn again<'a>(post: &FormPost<'a>) -> FormPost<'a> {
    FormPost {
        url: post.url,
        form: post.form.clone(),
        authorization: post.authorization.clone(),
        accept: post.accept,
        max_bytes: post.max_bytes,
    }
}

impl ByControlPlane {
    /// The metadata of the issuer, where that is what is asked for.
    fn metadata(&self, url: &str) -> Option<String> {
        let issuer = self.issuer.read().ok()?;
        let (issuer, keys) = &*issuer;
        let place = url.strip_prefix(issuer.trim_end_matches('/'))?;
        (place == "/.well-known/openid-configuration" && !keys.is_empty())
            .then(|| json!({ "issuer": issuer, "jwks_uri": keys }).to_string())
    }
}

impl Fetch for ByControlPlane {
    fn get<'a>(&'a self, url: &'a str, max_bytes: usize) -> FetchFuture<'a> {
        match self.metadata(url) {
            Some(metadata) => Box::pin(async move { Ok(metadata.into()) }),
            None => self.inner.get(url, max_bytes),
        }
    }

    fn post<'a>(&'a self, mut post: FormPost<'a>) -> PostFuture<'a> {
        if post.url != self.introspection_endpoint {
            return self.inner.post(post);
        }
        Box::pin(async move {
            let authorization = self.control_plane.authorization().await;
            let authorization = authorization.map_err(|error| FetchError {
                url: post.url.to_owned(),
                cause: error.to_string(),
            })?;
            post.authorization = Some(authorization.to_string());
            let answer = self.inner.post(again(&post)).await?;
            if !matches!(answer.status, 401 | 403) {
                return Ok(answer);
            }
            // A token that is no longer good is renewed once, as for every other call.
            match self.control_plane.renewed(&authorization).await {
                Ok(Some(renewed)) => {
                    post.authorization = Some(renewed.to_string());
                    self.inner.post(post).await
                }
                Ok(None) | Err(_) => Ok(answer),
            }
        })
    }
}
