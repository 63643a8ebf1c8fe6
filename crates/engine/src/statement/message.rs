//! A request or a response while statements change it: header fields, query, body.

use portcullis_model::{BodyEdit, HeaderEdit, HeaderMap};
use serde_json::Value;

/// Largest body that is read as JSON, in bytes, and largest one that comes out.
pub(super) const MAX_JSON_BYTES: usize = 1024 * 1024;

/// A message under change.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    headers: &'a HeaderMap,
    edits: Vec<HeaderEdit>,
    /// The query without its `?`, and whether it was changed. Responses have none.
    query: Option<String>,
    query_changed: bool,
    body: Option<&'a str>,
    /// The body, once it was read.
    json: Option<Value>,
    json_changed: bool,
}

impl<'a> Message<'a> {
    pub(crate) const fn new(
        headers: &'a HeaderMap,
        query: Option<String>,
        body: Option<&'a str>,
    ) -> Self {
        Self {
            headers,
            edits: Vec::new(),
            query,
            query_changed: false,
            body,
            json: None,
            json_changed: false,
        }
    }

    /// Sets a header field to these values; none removes it.
    pub(super) fn set_header(&mut self, name: &str, values: Vec<String>) -> Result<(), Unfit> {
        let mut fields = HeaderMap::new();
        for value in &values {
            fields.append(name, value).map_err(|_| Unfit::Header)?;
        }
        self.edits
            .retain(|edit| !edit.name.eq_ignore_ascii_case(name));
        self.edits.push(HeaderEdit {
            name: name.to_owned(),
            values,
        });
        Ok(())
    }

    /// Sets a parameter of the query to these values; none removes it. The others stay as they were
    /// sent, in their order.
    pub(super) fn set_query(&mut self, name: &str, values: &[String]) -> Result<(), Unfit> {
        let query = self.query.as_mut().ok_or(Unfit::NoQuery)?;
        let is_other = |pair: &&str| {
            let sent = pair.split_once('=').map_or(*pair, |(name, _)| name);
            crate::policy::decode(sent) != name
        };
        let mut pairs: Vec<String> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .filter(is_other)
            .map(str::to_owned)
            .collect();
        pairs.extend(
            values
                .iter()
                .map(|value| format!("{}={}", encode(name), encode(value))),
        );
        *query = pairs.join("&");
        self.query_changed = true;
        Ok(())
    }

    /// The body as JSON, to be changed.
    pub(super) fn json(&mut self) -> Result<&mut Value, Unfit> {
        if self.json.is_none() {
            let text = self.body.ok_or(Unfit::NoJson)?;
            if text.len() > MAX_JSON_BYTES {
                return Err(Unfit::TooLarge);
            }
            self.json = Some(serde_json::from_str(text).map_err(|_| Unfit::NoJson)?);
        }
        self.json_changed = true;
        self.json.as_mut().ok_or(Unfit::NoJson)
    }

    /// What was changed: header fields, query, body. An error where the body has grown beyond what is let out.
    pub(crate) fn finish(mut self) -> Result<Edits, Unfit> {
        let body = self
            .json
            .filter(|_| self.json_changed)
            .map(|json| json.to_string());
        if body
            .as_ref()
            .is_some_and(|body| body.len() > MAX_JSON_BYTES)
        {
            return Err(Unfit::TooLarge);
        }
        // A length that is wrong now would cut the body off, or have the reader wait for more.
        if let Some(body) = &body
            && self.headers.contains("content-length")
        {
            self.edits
                .retain(|edit| !edit.name.eq_ignore_ascii_case("content-length"));
            self.edits.push(HeaderEdit {
                name: "content-length".to_owned(),
                values: vec![body.len().to_string()],
            });
        }
        Ok(Edits {
            headers: self.edits,
            query: self.query.filter(|_| self.query_changed),
            body: body.map(BodyEdit::Replace),
        })
    }
}

/// What statements changed about a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Edits {
    pub(crate) headers: Vec<HeaderEdit>,
    /// The whole query from now on, without its `?`.
    pub(crate) query: Option<String>,
    pub(crate) body: Option<BodyEdit>,
}

/// Everything but unreserved characters as `%XX` (RFC 3986 section 2.3).
fn encode(text: &str) -> String {
    use std::fmt::Write as _;

    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            // Writing to a string cannot fail.
            other => drop(write!(encoded, "%{other:02X}")),
        }
    }
    encoded
}

/// Why a message does not allow for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    /// The value cannot stand in a header field.
    #[error("the value cannot stand in a header field")]
    Header,
    /// A response has no query.
    #[error("there is no query")]
    NoQuery,
    /// There is no body, or it is no JSON.
    #[error("there is no body that is JSON")]
    NoJson,
    /// The body is too large to be read, or to be let out.
    #[error("the body is larger than {MAX_JSON_BYTES} bytes")]
    TooLarge,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_keep_what_is_not_named() {
        let headers = HeaderMap::new();
        let mut message = Message::new(
            &headers,
            Some("name=sedan&operator=contains&&x=%41+b".to_owned()),
            None,
        );
        message.set_query("operator", &[]).unwrap();
        message
            .set_query("compare", &["co".to_owned(), "a b&c".to_owned()])
            .unwrap();
        message.set_query("x", &["é".to_owned()]).unwrap();
        assert_eq!(
            message.finish().unwrap().query.unwrap(),
            "name=sedan&compare=co&compare=a%20b%26c&x=%C3%A9"
        );
        let mut message = Message::new(&headers, None, None);
        assert_eq!(message.set_query("a", &[]), Err(Unfit::NoQuery));
        assert_eq!(message.finish(), Ok(Edits::default()));
    }

    #[test]
    fn the_length_follows_the_body() {
        let mut headers = HeaderMap::new();
        headers.append("Content-Length", "9").unwrap();
        let mut message = Message::new(&headers, None, Some(r#"{"a": 1 }"#));
        message.json().unwrap()["a"] = serde_json::json!(22);
        let edits = message.finish().unwrap();
        assert_eq!(
            edits.body,
            Some(BodyEdit::Replace(r#"{"a":22}"#.to_owned()))
        );
        assert_eq!(edits.headers[0].values, ["8"]);
        let mut message = Message::new(&headers, None, Some("not json"));
        assert_eq!(message.json(), Err(Unfit::NoJson));
        assert_eq!(
            message.set_header("X", vec!["a\r\nb".to_owned()]),
            Err(Unfit::Header)
        );
        assert_eq!(message.finish(), Ok(Edits::default()));
    }
}
