//! What several themes of these tests start from.

use portcullis_model::{ApiRequest, HeaderMap, Method, RequestUrl, Source};
use portcullis_sideband::SidebandRequest;
use serde_json::{Value, json};

/// What every call has.
pub(crate) const MEMBERS: [&str; 6] = [
    "source_ip",
    "source_port",
    "method",
    "url",
    "http_version",
    "headers",
];

/// The request that every test of an answer is about.
pub(crate) fn sent_json() -> Value {
    json!({
        "source_ip": "192.0.2.7",
        "source_port": 56782,
        "method": "GET",
        "url": "https://api.example.com/planets?x=1",
        "http_version": "1.1",
        "headers": [
            {"Accept": "*/*"},
            {"Authorization": "Bearer s3cret"},
            {"X-Multi": "a"},
            {"X-Multi": "b"}
        ]
    })
}

pub(crate) fn sent() -> SidebandRequest {
    parse(&sent_json())
}

pub(crate) fn parse(json: &Value) -> SidebandRequest {
    SidebandRequest::parse(json.to_string().as_bytes()).unwrap()
}

/// `json` with one member set to `value`.
pub(crate) fn with(mut json: Value, member: &str, value: Value) -> Value {
    json[member] = value;
    json
}

/// `json` without one member.
pub(crate) fn without(mut json: Value, member: &str) -> Value {
    json.as_object_mut().unwrap().remove(member);
    json
}

pub(crate) fn api_request(method: &str, url: &str, headers: &[(&str, &str)]) -> ApiRequest {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value).unwrap();
    }
    ApiRequest {
        method: Method::parse(method).unwrap(),
        url: RequestUrl::parse(url).unwrap(),
        http_version: "1.1".into(),
        headers: map,
        source: Source::default(),
        client_certificate: None,
        body: None,
        entry: None,
    }
}
