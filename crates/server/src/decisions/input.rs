//! What a replay of a decision needs, kept where the operator asks for it: the request and the claims of its token,
//! in the form of a policy test, and never the token.

use std::fmt;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use portcullis_model::{ApiRequest, REDACTED, SentTokens};
use serde_json::{Map, Value, json};

/// Largest input that is kept, in bytes of its texts.
const MAX_INPUT_BYTES: usize = 32 * 1024;
/// Most header names that can be asked for.
const MAX_HEADERS: usize = 64;
/// Header fields that hold credentials: they are never kept.
const CREDENTIALS: [&str; 9] = [
    "authorization",
    "client-token",
    "cookie",
    "dpop",
    "pdg-token",
    "proxy-authorization",
    "set-cookie",
    "x-amz-security-token",
    "x-api-key",
];
/// Query parameters that hold tokens (RFC 6750 section 2.3, RFC 6749, `OpenID` Connect Core).
const TOKEN_PARAMETERS: [&str; 3] = ["access_token", "id_token", "refresh_token"];

/// Which header fields of a request are kept with its decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordedHeaders(Vec<String>);

/// A header that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecordedHeader {
    /// It is none.
    #[error("expected the name of a header field, such as User-Agent; name at most {MAX_HEADERS}")]
    Name,
    /// It holds a credential.
    #[error("the header field {0} holds credentials, which are never recorded; leave it out")]
    Credential(&'static str),
}

impl RecordedHeaders {
    /// The header fields of those names, of any case.
    pub fn new<'a>(
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidRecordedHeader> {
        let mut headers = Vec::new();
        for name in names {
            let is_token =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            let fits = (1..=256).contains(&name.len()) && name.bytes().all(is_token);
            if !fits || headers.len() >= MAX_HEADERS {
                return Err(InvalidRecordedHeader::Name);
            }
            let forbidden = CREDENTIALS
                .iter()
                .find(|one| one.eq_ignore_ascii_case(name));
            if let Some(forbidden) = forbidden {
                return Err(InvalidRecordedHeader::Credential(forbidden));
            }
            headers.push(name.to_ascii_lowercase());
        }
        Ok(Self(headers))
    }

    /// What is kept of a request that was decided at that time (milliseconds since 1970).
    pub(super) fn input(
        &self,
        request: &ApiRequest,
        claims: Option<&Map<String, Value>>,
        now: i64,
    ) -> RecordedInput {
        let sent = SentTokens::of(request);
        let mut url = without_tokens(request.url.as_str());
        if sent.are_in(&url) {
            url.truncate(before_query(&url).len());
        }
        let mut headers = Vec::new();
        for name in &self.0 {
            for value in request.headers.values(name) {
                if !sent.are_in(value) {
                    headers.push((name.clone(), value.to_owned()));
                }
            }
        }
        let size = url.len()
            + headers
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum::<usize>()
            + claims.map_or(0, |claims| {
                claims
                    .iter()
                    .map(|(name, value)| name.len() + weight(value))
                    .sum()
            });
        if size > MAX_INPUT_BYTES || sent.are_in(&url) {
            return RecordedInput(None);
        }
        RecordedInput(Some(Box::new(Input {
            method: request.method.as_str().to_owned(),
            url,
            headers,
            source_ip: request.source.ip,
            claims: claims.cloned(),
            unverified: claims.is_none()
                && request.headers.values("authorization").next().is_some(),
            now: now / 1000,
        })))
    }
}

/// What a value, or a member of an object, takes in memory beside its text, in bytes: the name, its place in the index,
/// and the allocations.
const VALUE_OVERHEAD: usize = 96;

/// What was kept; nothing where it was too large. `Debug` shows nothing of it.
pub(super) struct RecordedInput(Option<Box<Input>>);

struct Input {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    source_ip: Option<IpAddr>,
    claims: Option<Map<String, Value>>,
    /// Whether the request came with something in `Authorization` that was not verified.
    unverified: bool,
    /// Seconds since 1970.
    now: i64,
}

impl RecordedInput {
    /// About how many bytes of memory it takes.
    pub(super) fn footprint(&self) -> usize {
        let Some(input) = &self.0 else { return 0 };
        let headers = input.headers.iter();
        let headers = headers.map(|(name, value)| VALUE_OVERHEAD + name.len() + value.len());
        let claims = input.claims.iter().flatten();
        let claims = claims.map(|(name, value)| name.len() + footprint(value));
        size_of::<Input>()
            + input.method.len()
            + input.url.len()
            + headers.sum::<usize>()
            + claims.sum::<usize>()
    }

    /// Request, token and time as in a policy test.
    pub(super) fn to_json(&self) -> Option<Value> {
        let input = self.0.as_ref()?;
        let mut headers = Map::new();
        for (name, value) in &input.headers {
            let values = headers.entry(name.as_str()).or_insert_with(|| json!([]));
            if let Some(list) = values.as_array_mut() {
                list.push(json!(value));
            }
        }
        let mut request = json!({ "method": input.method, "url": input.url });
        let mut document = json!({ "now": input.now });
        if let Some(members) = request.as_object_mut() {
            if !headers.is_empty() {
                members.insert("headers".to_owned(), Value::from(headers));
            }
            if let Some(ip) = input.source_ip {
                members.insert("source_ip".to_owned(), json!(ip.to_string()));
            }
        }
        if let Some(members) = document.as_object_mut() {
            members.insert("request".to_owned(), request);
            if let Some(claims) = &input.claims {
                members.insert("token".to_owned(), json!(claims));
            }
            if input.unverified {
                members.insert("token_not_verified".to_owned(), json!(true));
            }
        }
        Some(document)
    }
}

impl fmt::Debug for RecordedInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordedInput(..)")
    }
}

/// The URL with other values in place of the tokens in its query.
fn without_tokens(url: &str) -> String {
    let Some((front, query)) = url.split_once('?') else {
        return url.to_owned();
    };
    let parameters = query.split('&').map(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        let decoded = percent_decode_str(name).decode_utf8_lossy();
        if TOKEN_PARAMETERS
            .iter()
            .any(|one| one.eq_ignore_ascii_case(&decoded))
        {
            format!("{name}={REDACTED}")
        } else {
            parameter.to_owned()
        }
    });
    let parameters: Vec<String> = parameters.collect();
    format!("{front}?{}", parameters.join("&"))
}

fn before_query(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

/// About how many bytes a value takes as JSON.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 3,
        Value::Array(list) => 2 + list.iter().map(weight).sum::<usize>(),
        Value::Object(members) => {
            let members = members.iter();
            2 + members
                .map(|(name, value)| name.len() + 4 + weight(value))
                .sum::<usize>()
        }
    }
}

/// About how many bytes of memory a value takes. Claims are nested no deeper than whoever read them allows.
fn footprint(value: &Value) -> usize {
    let within = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(footprint).sum(),
        Value::Object(members) => {
            let members = members.iter();
            members
                .map(|(name, value)| name.len() + footprint(value))
                .sum()
        }
    };
    VALUE_OVERHEAD + within
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::{HeaderMap, Method, RequestUrl, Source};

    fn request(url: &str, fields: &[(&str, &str)]) -> ApiRequest {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value).unwrap();
        }
        ApiRequest {
            method: Method::get(),
            url: RequestUrl::parse(url).unwrap(),
            http_version: "1.1".into(),
            headers,
            source: Source {
                ip: "192.0.2.7".parse().ok(),
                port: None,
            },
            client_certificate: None,
            body: Some("a body".into()),
            entry: None,
        }
    }

    #[test]
    fn only_named_headers_are_kept_and_no_token_anywhere() {
        let kept = RecordedHeaders::new(["X-App", "X-Copy"]).unwrap();
        let url = "https://api.example.com/m?a=1&Access%5Ftoken=abc.def&b=tok3n.x.y";
        let request = request(
            url,
            &[
                ("Authorization", "Bearer tok3n.x.y"),
                ("x-app", "web"),
                ("x-app", "two"),
                ("X-Copy", "see tok3n.x.y"),
                ("X-Other", "other"),
            ],
        );
        let claims = json!({ "sub": "somebody" });
        let input = kept
            .input(&request, claims.as_object(), 1_700_000_000_999)
            .to_json()
            .unwrap();
        assert_eq!(
            input,
            json!({
                "now": 1_700_000_000,
                "request": {
                    "method": "GET", "url": "https://api.example.com/m", "source_ip": "192.0.2.7",
                    "headers": { "x-app": ["web", "two"] },
                },
                "token": { "sub": "somebody" },
            })
        );
        let input = kept.input(&request, None, 0).to_json().unwrap();
        assert_eq!(input["token_not_verified"], true);
        assert_eq!(input.get("token"), None);
    }

    #[test]
    fn the_query_is_kept_but_for_tokens() {
        let kept = RecordedHeaders::default();
        let request = request("https://api.example.com/m?a=1&access_token=abc", &[]);
        let input = kept.input(&request, None, 0).to_json().unwrap();
        assert_eq!(
            input["request"]["url"],
            "https://api.example.com/m?a=1&access_token=redacted"
        );
        assert_eq!(input.get("token_not_verified"), None);
    }

    #[test]
    fn a_token_in_the_url_is_found_however_it_is_spelled() {
        let fields = [
            ("Authorization", "Bearer opaque+to/ken=="),
            ("X-Copy", "opaque%2bto%2Fken=="),
        ];
        let kept = RecordedHeaders::new(["X-Copy"]).unwrap();
        let in_query = request(
            "https://api.example.com/m?a=opaque%2Bto%2fken%3D%3D",
            &fields,
        );
        let input = kept.input(&in_query, None, 0).to_json().unwrap();
        assert_eq!(input["request"]["url"], "https://api.example.com/m");
        assert_eq!(input["request"].get("headers"), None);
        let in_path = request("https://api.example.com/opaque%2Bto%2Fken==", &fields);
        assert_eq!(kept.input(&in_path, None, 0).to_json(), None);
    }

    #[test]
    fn the_footprint_counts_every_claim() {
        let kept = RecordedHeaders::default();
        let request = request("https://api.example.com/m", &[]);
        let footprint = |claims: Value| kept.input(&request, claims.as_object(), 0).footprint();
        let none = footprint(json!({}));
        let numbers = footprint(json!({ "a": vec![0; 1000], "b": { "c": "x".repeat(1000) } }));
        // The members a, b and c, and a thousand numbers; the texts.
        assert_eq!(numbers - none, 1003 * VALUE_OVERHEAD + 1003);
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let claims = json!({ "groups": ["x".repeat(MAX_INPUT_BYTES)] });
        let request = request("https://api.example.com/m", &[]);
        assert_eq!(
            RecordedHeaders::default()
                .input(&request, claims.as_object(), 0)
                .to_json(),
            None
        );
    }

    #[test]
    fn credentials_cannot_be_asked_for() {
        for name in ["Authorization", "cookie", "DPoP", "Client-Token"] {
            let error = RecordedHeaders::new([name]).unwrap_err();
            assert!(
                matches!(error, InvalidRecordedHeader::Credential(_)),
                "{name}"
            );
        }
        for name in ["", "a b", "x:"] {
            assert_eq!(
                RecordedHeaders::new([name]),
                Err(InvalidRecordedHeader::Name)
            );
        }
    }
}
