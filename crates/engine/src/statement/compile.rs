//! From the document of a statement to the statement.

use portcullis_model::{Challenge, HeaderMap};
use regex_lite::RegexBuilder;
use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::json_path::JsonPath;
use super::template::{Template, ValueTemplate};
use super::{Action, AppliesTo, Phase, Replacement, Statement, challenge_error};
use crate::diagnostic::suggestion;
use crate::directory::document::present;

/// Most entries of a payload.
const MAX_ENTRIES: usize = 100;
/// Longest regular expression, in bytes, and the most memory that it may take once it is compiled.
const MAX_REGEX_BYTES: usize = 1000;
const MAX_REGEX_SIZE: usize = 256 * 1024;
/// Header fields that say how a message travels or where to: no statement may set them.
const FRAMING: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const CODES: [&str; 8] = [
    "set-headers",
    "modify-query",
    "set-attributes",
    "include-attributes",
    "exclude-attributes",
    "regex-replace-attributes",
    "auth-challenge",
    "denied-reason",
];

/// A statement as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatementDocument {
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    pub(crate) code: Spanned<String>,
    #[serde(default, deserialize_with = "present")]
    phase: Option<String>,
    #[serde(default, deserialize_with = "present")]
    applies_to: Option<String>,
    #[serde(default, deserialize_with = "present")]
    obligatory: Option<bool>,
    payload: Value,
}

/// The statement, or what is wrong with it and what to do.
pub(crate) fn compile(document: &StatementDocument) -> Result<Statement, (String, Option<String>)> {
    let code = document.code.value.as_str();
    if !CODES.contains(&code) {
        return Err((
            format!("there is no statement \"{}\"", code.escape_debug()),
            Some(suggestion(code, CODES)),
        ));
    }
    let plain = |message: String| (message, None);
    let for_denies = matches!(code, "auth-challenge" | "denied-reason");
    let phase = match document.phase.as_deref() {
        None | Some("request") => Phase::Request,
        Some("response") => Phase::Response,
        Some(_) => return Err(plain("phase is request or response".to_owned())),
    };
    let applies_to = match document.applies_to.as_deref() {
        None if for_denies => AppliesTo::Deny,
        None | Some("permit") => AppliesTo::Permit,
        Some("deny") => AppliesTo::Deny,
        Some("anything") => AppliesTo::Anything,
        Some(_) => return Err(plain("applies_to is permit, deny or anything".to_owned())),
    };
    let fits = match (code, applies_to) {
        ("set-headers", _) => true,
        (_, AppliesTo::Deny) => for_denies,
        (_, AppliesTo::Permit) => !for_denies,
        (_, AppliesTo::Anything) => false,
    };
    if !fits {
        let which = if for_denies { "deny" } else { "permit" };
        return Err(plain(format!("{code} applies to {which} only")));
    }
    if code == "auth-challenge" && phase == Phase::Response {
        return Err(plain(
            "auth-challenge is for requests: a response has nobody to challenge".to_owned(),
        ));
    }
    if code == "modify-query" && phase == Phase::Response {
        return Err(plain(
            "modify-query is for requests: a response has no query".to_owned(),
        ));
    }
    let action =
        action(code, &document.payload).map_err(|message| plain(format!("{code}: {message}")))?;
    Ok(Statement {
        name: document.name.as_deref().unwrap_or(code).into(),
        phase,
        applies_to,
        obligatory: document.obligatory.unwrap_or(true),
        action: action.into(),
    })
}

fn action(code: &str, payload: &Value) -> Result<Action, String> {
    Ok(match code {
        "set-headers" => {
            let headers = fields(payload)?;
            for (name, _) in &headers {
                check_header(name)?;
            }
            Action::SetHeaders(headers)
        }
        "modify-query" => Action::ModifyQuery(fields(payload)?),
        "set-attributes" => Action::SetAttributes(
            object(payload)?
                .iter()
                .map(|(path, value)| {
                    let value = (!value.is_null()).then(|| ValueTemplate::parse(value));
                    let value = value.transpose().map_err(|error| error.to_string())?;
                    Ok((json_path(path)?, value))
                })
                .collect::<Result<_, String>>()?,
        ),
        "include-attributes" => Action::IncludeAttributes(paths(payload)?),
        "exclude-attributes" => Action::ExcludeAttributes(paths(payload)?),
        "regex-replace-attributes" => {
            let list = match payload {
                Value::Array(list) => list.as_slice(),
                one => std::slice::from_ref(one),
            };
            if list.is_empty() || list.len() > MAX_ENTRIES {
                return Err(format!("expected 1 to {MAX_ENTRIES} replacements"));
            }
            Action::RegexReplace(list.iter().map(replacement).collect::<Result<_, _>>()?)
        }
        "auth-challenge" => auth_challenge(object(payload)?)?,
        _ => denied_reason(object(payload)?)?,
    })
}

fn object(payload: &Value) -> Result<&Map<String, Value>, String> {
    match payload.as_object() {
        Some(members) if (1..=MAX_ENTRIES).contains(&members.len()) => Ok(members),
        _ => Err(format!("expected an object of 1 to {MAX_ENTRIES} members")),
    }
}

/// Names with a text, a list of texts, or null, which removes.
fn fields(payload: &Value) -> Result<Vec<(String, Vec<Template>)>, String> {
    let wrong = |name: &str| format!("{name}: expected a text, a list of texts, or null");
    object(payload)?
        .iter()
        .map(|(name, value)| {
            let texts = match value {
                Value::Null => Vec::new(),
                Value::Array(list) if !list.is_empty() => list.iter().collect(),
                Value::Array(_) => return Err(wrong(name)),
                one => vec![one],
            };
            let templates = texts.into_iter().map(|text| {
                let text = text.as_str().ok_or_else(|| wrong(name))?;
                Template::parse(text).map_err(|error| format!("{name}: {error}"))
            });
            Ok((name.clone(), templates.collect::<Result<_, String>>()?))
        })
        .collect()
}

fn check_header(name: &str) -> Result<(), String> {
    if FRAMING
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing))
    {
        return Err(format!(
            "{name} says how the message travels and cannot be set"
        ));
    }
    HeaderMap::new()
        .append(name, "x")
        .map_err(|_| format!("\"{}\" is no name of a header field", name.escape_debug()))
}

fn json_path(text: &str) -> Result<JsonPath, String> {
    JsonPath::parse(text).map_err(|error| format!("\"{}\": {error}", text.escape_debug()))
}

fn paths(payload: &Value) -> Result<Vec<JsonPath>, String> {
    let list = payload.as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() || list.len() > MAX_ENTRIES {
        return Err(format!("expected a list of 1 to {MAX_ENTRIES} paths"));
    }
    list.iter()
        .map(|path| json_path(path.as_str().ok_or("expected a list of paths")?))
        .collect()
}

fn replacement(document: &Value) -> Result<Replacement, String> {
    let members = object(document)?;
    if let Some(unknown) = members
        .keys()
        .find(|name| !["path", "regex", "replace", "flags"].contains(&name.as_str()))
    {
        return Err(format!(
            "unknown member \"{unknown}\"; expected path, regex, replace, flags"
        ));
    }
    let text = |name: &str| match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{name} is a text")),
    };
    let pattern = text("regex")?.ok_or("regex is missing")?;
    let replace = text("replace")?.ok_or("replace is missing")?;
    let flags = text("flags")?.unwrap_or_default();
    if let Some(flag) = flags.chars().find(|flag| !matches!(flag, 'i' | 'l')) {
        return Err(format!(
            "flag \"{flag}\" is not supported: i ignores case, l takes the expression as a plain text"
        ));
    }
    if pattern.len() > MAX_REGEX_BYTES {
        return Err(format!("regex is longer than {MAX_REGEX_BYTES} bytes"));
    }
    let pattern = if flags.contains('l') {
        regex_lite::escape(pattern)
    } else {
        pattern.to_owned()
    };
    let regex = RegexBuilder::new(&pattern)
        .case_insensitive(flags.contains('i'))
        .size_limit(MAX_REGEX_SIZE)
        .build()
        .map_err(|error| format!("regex: {error}"))?;
    Ok(Replacement {
        path: text("path")?.map(json_path).transpose()?,
        regex,
        by: from_java(replace),
    })
}

/// Java's replacement text (`$1`, `\$`) as the regular expression crate writes it (`${1}`, `$$`).
fn from_java(text: &str) -> String {
    let mut written = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('$') => written.push_str("$$"),
                Some(other) => written.push(other),
                None => written.push('\\'),
            },
            '$' => {
                let mut group = String::new();
                while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                    group.push(digit);
                }
                if group.is_empty() {
                    written.push_str("$$");
                } else {
                    written.extend(["${", &group, "}"]);
                }
            }
            other => written.push(other),
        }
    }
    written
}

/// The members that `PingOne` documents no spelling for are spelled as the challenge spells them.
fn auth_challenge(members: &Map<String, Value>) -> Result<Action, String> {
    let mut status = 401;
    let mut challenge = Challenge::default();
    for (name, value) in members {
        let text = || match value {
            Value::String(text) if is_quotable(text) => Ok(text.clone()),
            _ => Err(format!(
                "{name} is a text of printable ASCII characters without quotes and backslashes"
            )),
        };
        match name.as_str() {
            "httpStatus" => status = error_status(value)?,
            "error" => {
                let known = value.as_str().and_then(challenge_error);
                challenge.error = Some(known.ok_or("error is invalid_request, invalid_token, insufficient_scope or insufficient_user_authentication")?);
            }
            "error_description" => challenge.error_description = Some(text()?),
            "realm" => challenge.realm = Some(text()?),
            "scope" => challenge.scope = Some(text()?),
            "acr_values" => challenge.acr_values = Some(text()?),
            "max_age" => {
                challenge.max_age = Some(value.as_u64().ok_or("max_age is a number of seconds")?);
            }
            _ => {
                return Err(format!(
                    "unknown member \"{name}\"; expected httpStatus, error, error_description, realm, scope, acr_values, max_age"
                ));
            }
        }
    }
    Ok(Action::AuthChallenge {
        status,
        challenge: Box::new(challenge),
    })
}

fn is_quotable(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
}

fn denied_reason(members: &Map<String, Value>) -> Result<Action, String> {
    let mut status = 403;
    for (name, value) in members {
        match name.as_str() {
            "status" => status = error_status(value)?,
            "message" | "detail" if value.is_string() => {}
            "message" | "detail" => return Err(format!("{name} is a text")),
            _ => {
                return Err(format!(
                    "unknown member \"{name}\"; expected status, message, detail"
                ));
            }
        }
    }
    let mut body = members.clone();
    body.insert("status".to_owned(), status.into());
    let body = ValueTemplate::parse(&Value::from(body)).map_err(|error| error.to_string())?;
    Ok(Action::DeniedReason { status, body })
}

/// A number, or a text of digits as `PingOne` writes statuses.
fn error_status(value: &Value) -> Result<u16, String> {
    let number = match value {
        Value::String(digits) => digits.parse().ok(),
        other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
    };
    number
        .filter(|status| (400..=599).contains(status))
        .ok_or_else(|| "the status is a number from 400 to 599".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_of_java_are_understood() {
        for (java, written) in [
            ("$1-x", "${1}-x"),
            ("$1x", "${1}x"),
            (r"\$1", "$$1"),
            (r"a\\b", r"a\b"),
            ("$", "$$"),
            ("plain", "plain"),
        ] {
            assert_eq!(from_java(java), written);
        }
    }
}
