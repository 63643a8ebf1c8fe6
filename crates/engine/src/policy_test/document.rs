//! Test files as they are written.

use std::collections::BTreeMap;

use portcullis_jose::JsonObject;
use portcullis_model::{ApiRequest, HeaderMap, Method, RequestUrl, Source};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::directory::document::{list, present};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestFile {
    #[serde(deserialize_with = "list")]
    pub(super) tests: Vec<TestDocument>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestDocument {
    pub(super) name: Spanned<String>,
    pub(super) request: RequestDocument,
    /// Claims of the token; without it, the request has none.
    #[serde(default, deserialize_with = "present")]
    pub(super) token: Option<JsonObject>,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "present")]
    pub(super) now: Option<u64>,
    pub(super) expect: Expectation,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestDocument {
    #[serde(default, deserialize_with = "present")]
    method: Option<String>,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "present")]
    body: Option<String>,
    #[serde(default, deserialize_with = "present")]
    source_ip: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectation {
    #[serde(default, deserialize_with = "present")]
    pub(super) decision: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) reason: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) status: Option<u16>,
    #[serde(default, deserialize_with = "present")]
    pub(super) operation: Option<String>,
    /// A part of a challenge.
    #[serde(default, deserialize_with = "present")]
    pub(super) challenge: Option<String>,
    /// Header fields that are set, null for one that is removed: on a permit those of the request, on a
    /// deny those of the response.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Option<String>>,
}

impl RequestDocument {
    pub(super) fn to_request(&self) -> Result<ApiRequest, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let values = match value {
                Value::Array(list) => list.as_slice(),
                one => std::slice::from_ref(one),
            };
            for value in values {
                let value = value
                    .as_str()
                    .ok_or_else(|| format!("header {name} is a text or a list of texts"))?;
                headers
                    .append(name, value)
                    .map_err(|error| format!("header {name}: {error}"))?;
            }
        }
        let ip = self.source_ip.as_deref().map(str::parse).transpose();
        Ok(ApiRequest {
            method: Method::parse(self.method.as_deref().unwrap_or("GET"))
                .map_err(|error| format!("method: {error}"))?,
            url: RequestUrl::parse(&self.url).map_err(|error| format!("url: {error}"))?,
            http_version: "1.1".to_owned(),
            headers,
            source: Source {
                ip: ip.map_err(|_| "source_ip is an IP address".to_owned())?,
                port: None,
            },
            client_certificate: None,
            body: self.body.clone(),
            entry: None,
        })
    }
}
