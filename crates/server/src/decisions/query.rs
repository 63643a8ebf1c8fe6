//! The query parameters of decisions: which ones are wanted, how many, and from where on.

use std::borrow::Cow;

use axum::http::Uri;
use chrono::DateTime;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use portcullis_store::{DecisionFilter, UnixMillis};

use crate::error::ApiError;

/// How many decisions a page has unless it is asked for otherwise.
const DEFAULT_LIMIT: u32 = 100;
/// Most decisions of a page.
pub(super) const MAX_LIMIT: u32 = 1000;
/// Longest value of a parameter, in bytes.
const MAX_VALUE_BYTES: usize = 512;

/// What a list, an export or a stream is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) filter: DecisionFilter,
    pub(super) limit: u32,
    /// As the page before gave it out.
    pub(super) cursor: Option<String>,
    /// The parameters as they were given, but for the cursor.
    pub(super) given: Vec<(String, String)>,
}

/// Who asks, and so which parameters there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A page: all of them.
    Page,
    /// Everything at once: no pages.
    Export,
    /// What is to come: no pages and no times.
    Stream,
}

impl Asked {
    const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Page => &[
                "outcome",
                "service",
                "operation",
                "reason",
                "gateway",
                "since",
                "until",
                "limit",
                "cursor",
            ],
            Self::Export => &[
                "outcome",
                "service",
                "operation",
                "reason",
                "gateway",
                "since",
                "until",
            ],
            Self::Stream => &["outcome", "service", "operation", "reason", "gateway"],
        }
    }
}

impl Wanted {
    /// Reads the query of a URL as HTML forms write it. Refuses what is unknown, malformed or there twice.
    pub(super) fn parse(uri: &Uri, asked: Asked) -> Result<Self, ApiError> {
        let mut wanted = Self {
            filter: DecisionFilter::default(),
            limit: DEFAULT_LIMIT,
            cursor: None,
            given: Vec::new(),
        };
        let query = uri.query().unwrap_or_default();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            let known = asked.parameters().iter().find(|known| **known == name);
            let Some(known) = known else {
                return Err(ApiError::invalid_request(format!(
                    "{}: there is no such parameter here; there are {}",
                    shown(&name),
                    asked.parameters().join(", ")
                )));
            };
            if wanted.given.iter().any(|(given, _)| given == known)
                || (*known == "cursor" && wanted.cursor.is_some())
            {
                return Err(wrong(known, "to be there once"));
            }
            if value.is_empty() || value.len() > MAX_VALUE_BYTES || value.contains('\0') {
                return Err(wrong(known, "a value of 1 to 512 bytes"));
            }
            wanted.set(known, &value)?;
            if *known != "cursor" {
                wanted.given.push((name, value));
            }
        }
        Ok(wanted)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        let about = &mut self.filter.about;
        match name {
            "outcome" if matches!(value, "permit" | "deny") => value.clone_into(&mut about.outcome),
            "outcome" => return Err(wrong(name, "permit or deny")),
            "service" => value.clone_into(&mut about.service),
            "operation" => value.clone_into(&mut about.operation),
            "reason" => value.clone_into(&mut about.reason),
            "gateway" => value.clone_into(&mut about.gateway),
            "since" => self.filter.since = time(name, value)?,
            "until" => self.filter.until = time(name, value)?,
            "limit" => {
                let number = value.parse().ok();
                self.limit = number
                    .filter(|number| (1..=MAX_LIMIT).contains(number))
                    .ok_or_else(|| wrong(name, "a number from 1 to 1000"))?;
            }
            _ => self.cursor = Some(value.to_owned()),
        }
        Ok(())
    }

    /// The same question as a query, with that cursor.
    pub(super) fn query(&self, cursor: Option<&str>) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let given = self
            .given
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let parameters: Vec<String> = given
            .chain(cursor.map(|cursor| ("cursor", cursor)))
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        if parameters.is_empty() {
            String::new()
        } else {
            format!("?{}", parameters.join("&"))
        }
    }
}

/// 400 for a parameter. The value stays out: it may hold anything.
pub(super) fn wrong(name: &str, expected: &str) -> ApiError {
    ApiError::invalid_request(format!("{name}: expected {expected}"))
}

/// The name of a parameter that is none. Messages are logged, and it may hold anything.
fn shown(name: &str) -> &str {
    let is_name = (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || b"_-".contains(&byte));
    if is_name {
        name
    } else {
        "a name that cannot be shown"
    }
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded
        .map(Cow::into_owned)
        .map_err(|_| ApiError::invalid_request("the query is no UTF-8"))
}

/// A time of RFC 3339. A `+` that was not escaped has become a space.
fn time(name: &str, value: &str) -> Result<UnixMillis, ApiError> {
    DateTime::parse_from_rfc3339(&value.replace(' ', "+"))
        .map(|time| UnixMillis(time.timestamp_millis()))
        .map_err(|_| wrong(name, "a time of RFC 3339, such as 2026-01-31T08:30:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str, asked: Asked) -> Result<Wanted, ApiError> {
        Wanted::parse(&format!("/x?{query}").parse().unwrap(), asked)
    }

    #[test]
    fn every_parameter_is_read() {
        let query = "outcome=deny&service=My+S&operation=a%2Fb&reason=missing_scope&gateway=kong\
                     &since=2023-11-14T22:13:20Z&until=2023-11-15T00:13:20.5+02:00&limit=7&cursor=x";
        let wanted = parse(query, Asked::Page).unwrap();
        let filter = &wanted.filter;
        assert_eq!(filter.about.service, "My S");
        assert_eq!(filter.about.operation, "a/b");
        assert_eq!(filter.since, UnixMillis(1_700_000_000_000));
        assert_eq!(filter.until, UnixMillis(1_700_000_000_500));
        assert_eq!((wanted.limit, wanted.cursor.as_deref()), (7, Some("x")));
        let again = wanted.query(Some("y/z"));
        let next = parse(again.trim_start_matches('?'), Asked::Page).unwrap();
        assert_eq!(next.filter, wanted.filter);
        assert_eq!(next.cursor.as_deref(), Some("y/z"));
        assert_eq!(parse("", Asked::Page).unwrap().query(None), "");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, asked, named) in [
            ("colour=red", Asked::Page, "colour"),
            (
                "eyJhbGciOi.J9.x=1",
                Asked::Page,
                "a name that cannot be shown",
            ),
            ("outcome=maybe", Asked::Page, "outcome"),
            ("limit=0", Asked::Page, "limit"),
            ("limit=1001", Asked::Page, "limit"),
            ("since=yesterday", Asked::Page, "since"),
            ("until=2023-11-14", Asked::Page, "until"),
            ("service=", Asked::Page, "service"),
            ("service=a&service=b", Asked::Page, "service"),
            ("cursor=a&cursor=b", Asked::Page, "cursor"),
            ("cursor=a", Asked::Export, "cursor"),
            ("limit=1", Asked::Export, "limit"),
            ("since=2023-11-14T22:13:20Z", Asked::Stream, "since"),
        ] {
            let error = format!("{:?}", parse(query, asked).unwrap_err());
            assert!(error.contains(&format!("{named}:")), "{query}: {error}");
        }
        parse("service=%FF", Asked::Page).unwrap_err();
    }
}
