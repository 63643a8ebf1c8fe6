//! What a custom policy is given: the authentication context, the contexts, the request.
//!
//! The document is the one of Cloudentity's policies ("Protecting APIs using OPA"), so that policies
//! move over as they are: `authn_ctx`, `contexts`, `request`, and `scopes` beside them for older ones.
//! Names of header fields are written as Go's `http.Header` writes them (`X-Request-Id`).

use std::cell::OnceCell;
use std::fmt;
use std::sync::LazyLock;

use portcullis_model::{ApiRequest, ApiResponse, DecodedPath, HeaderMap};
use serde_json::{Map, Value, json};

use crate::claims::AccessToken;

/// Everything that a policy may look at. What is not there is missing in the document, too.
pub struct PolicyInput<'a> {
    token: Option<&'a AccessToken<'a>>,
    request: &'a ApiRequest,
    response: Option<&'a ApiResponse>,
    now: u64,
    /// The API service.
    pub service: &'a str,
    /// The operation; `None` where none covers the request.
    pub operation: Option<&'a str>,
    /// The decoded path below the base URL.
    path: &'a str,
    /// The path parameters.
    pub parameters: &'a [(&'a str, &'a str)],
    /// The thumbprint of the client certificate, as `x5t#S256` has it (RFC 8705 section 3.1).
    certificate: Option<String>,
    document: OnceCell<Value>,
}

/// What a decision is about.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) request: &'a ApiRequest,
    /// What the backend answered, where it did.
    pub(crate) response: Option<&'a ApiResponse>,
    pub(crate) now: u64,
    pub(crate) service: &'a str,
    pub(crate) operation: Option<&'a str>,
    /// The decoded path below the base URL.
    pub(crate) path: &'a str,
}

impl<'a> PolicyInput<'a> {
    pub(crate) fn new(
        token: Option<&'a AccessToken<'a>>,
        scene: Scene<'a>,
        parameters: &'a [(&'a str, &'a str)],
        certificate: Option<String>,
    ) -> Self {
        let Scene {
            request,
            response,
            now,
            service,
            operation,
            path,
        } = scene;
        Self {
            token,
            request,
            response,
            now,
            service,
            operation,
            path,
            parameters,
            certificate,
            document: OnceCell::new(),
        }
    }

    /// Whom the token speaks for.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.token.and_then(AccessToken::subject)
    }

    /// The claims of the token; none where the operation is public.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        self.token.map_or(&NONE, AccessToken::claims)
    }

    /// The scopes of the token, wherever its issuer puts them.
    #[must_use]
    pub fn scopes(&self) -> Vec<&str> {
        self.token.map(AccessToken::scopes).unwrap_or_default()
    }

    /// The groups of the subject, wherever the issuer puts them.
    #[must_use]
    pub fn groups(&self) -> Vec<&str> {
        texts(self.token.and_then(AccessToken::groups))
    }

    /// The permissions of the subject, wherever the issuer puts them.
    #[must_use]
    pub fn permissions(&self) -> Vec<&str> {
        texts(self.token.and_then(AccessToken::permissions))
    }

    /// The decoded path below the base URL of the API service.
    #[must_use]
    pub const fn path(&self) -> &str {
        self.path
    }

    /// The thumbprint of the client certificate, as `x5t#S256` has it.
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// The header fields, under names in canonical case, and the query, decoded: name to values.
    #[must_use]
    pub fn fields(&self) -> (Map<String, Value>, Map<String, Value>) {
        (headers(&self.request.headers), query(self.request))
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &ApiRequest {
        self.request
    }

    /// The time of the decision (seconds since 1970).
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// All of it as one JSON document.
    #[must_use]
    pub fn document(&self) -> &Value {
        self.document.get_or_init(|| self.build())
    }

    fn build(&self) -> Value {
        let mut context = self.claims().clone();
        // Cloudentity's own context has the scopes as a list under `scp`.
        context.entry("scp").or_insert_with(|| json!(self.scopes()));
        let scopes: Map<String, Value> = self
            .scopes()
            .into_iter()
            .map(|scope| {
                let granted = json!([{ "params": [], "requested_name": scope }]);
                (scope.to_owned(), granted)
            })
            .collect();
        let path = self.request.url.decoded_path();
        let parameters: Map<String, Value> = self
            .parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let ip = self.request.source.ip.map(|ip| ip.to_string());
        let optional = [
            ("body", self.request.body.as_ref().map(|body| json!(body))),
            ("source_ip", ip.map(Value::from)),
            (
                "mtls",
                self.certificate
                    .as_ref()
                    .map(|thumbprint| json!({ "x5t#S256": thumbprint })),
            ),
        ];
        let always = [
            ("headers", Value::from(headers(&self.request.headers))),
            ("method", json!(self.request.method.as_str())),
            ("path", json!(path.as_ref().map_or("", DecodedPath::as_str))),
            ("path_params", Value::from(parameters)),
            ("query_params", Value::from(query(self.request))),
        ];
        let request: Map<String, Value> = always
            .into_iter()
            .chain(
                optional
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let mut document = json!({
            "authn_ctx": context,
            "contexts": { "scopes": &scopes },
            "scopes": &scopes,
            "request": request,
        });
        if let (Some(response), Some(members)) = (self.response, document.as_object_mut()) {
            let mut answer = json!({
                "status": response.status,
                "headers": headers(&response.headers),
            });
            if let (Some(body), Some(answer)) = (&response.body, answer.as_object_mut()) {
                answer.insert("body".to_owned(), json!(body));
            }
            members.insert("response".to_owned(), answer);
        }
        document
    }
}

/// Leaves out what the claims and the request say.
impl fmt::Debug for PolicyInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyInput")
            .field("service", &self.service)
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

fn texts(list: Option<&Value>) -> Vec<&str> {
    let list = list.and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Every header field: name to values.
fn headers(fields: &HeaderMap) -> Map<String, Value> {
    let mut headers: Map<String, Value> = Map::new();
    for field in fields.iter() {
        let values = headers
            .entry(canonical(field.name()))
            .or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(json!(field.value()));
        }
    }
    headers
}

/// The name as Go's `http.CanonicalHeaderKey` writes it: the first letter and every one after a hyphen
/// in upper case, the others in lower case.
pub(crate) fn canonical(name: &str) -> String {
    let mut upper = true;
    name.chars()
        .map(|letter| {
            let written = if upper {
                letter.to_ascii_uppercase()
            } else {
                letter.to_ascii_lowercase()
            };
            upper = letter == '-';
            written
        })
        .collect()
}

/// The query, decoded: name to values. What does not decode to UTF-8 stays as it was sent.
fn query(request: &ApiRequest) -> Map<String, Value> {
    let mut parameters: Map<String, Value> = Map::new();
    for pair in request.url.query().unwrap_or_default().split('&') {
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let values = parameters.entry(decode(name)).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(json!(decode(value)));
        }
    }
    parameters
}

/// Decodes one part of a query: `+` is a space, `%XX` a byte (WHATWG URL, "application/x-www-form-urlencoded").
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut ahead = rest.clone();
                let digits = (ahead.next().and_then(digit), ahead.next().and_then(digit));
                if let (Some(high), Some(low)) = digits {
                    bytes.push(high * 16 + low);
                    rest = ahead;
                } else {
                    bytes.push(byte);
                }
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_are_written_as_go_writes_them() {
        for (name, written) in [
            ("x-REQUEST-id", "X-Request-Id"),
            ("dnt", "Dnt"),
            ("", ""),
            ("x--y", "X--Y"),
        ] {
            assert_eq!(canonical(name), written);
        }
    }

    #[test]
    fn queries_are_decoded() {
        for (text, decoded) in [
            ("a+b%20c", "a b c"),
            ("%C3%A9", "é"),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz", "%zz"),
            ("%ff", "%ff"),
        ] {
            assert_eq!(decode(text), decoded);
        }
    }
}
