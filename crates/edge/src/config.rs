//! `config.js`: the settings of the edge function, by the names of `PingOne`'s kit and of the authorizer's variables.
//!
//! Lambda@Edge has no environment variables (CloudFront Developer Guide, "Restrictions on Lambda@Edge"), so what the
//! authorizer takes from those stands in a file of the package. Types are checked here: a text where a Boolean belongs
//! is refused with its name, as is a name that nobody reads.

use portcullis_enforcement::{Environment, InvalidSetting};
use serde_json::{Map, Value};

/// Largest `config.js`, as JSON, in bytes.
pub const MAX_CONFIG_BYTES: usize = 256 * 1024;

/// What the value of a setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingType {
    /// A text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Number,
}

impl SettingType {
    const fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text in quotation marks",
            Self::Boolean => "true or false, without quotation marks",
            Self::Number => "a whole number, without quotation marks",
        }
    }
}

/// Every name that `config.js` may have, with the type of its value. Beside these, names that begin with
/// `INTROSPECTION_` are texts: the secrets that a policy names.
pub const SETTINGS: [(&str, SettingType); 35] = {
    use SettingType::{Boolean, Number, Text};
    [
        ("SECRET_HEADER_VALUE", Text),
        ("SERVICE_URL", Text),
        ("IS_DEBUG_ENABLED", Boolean),
        ("MAX_RETRIES", Number),
        ("SECRET_HEADER_VALUE_ARN", Text),
        ("SECRET_HEADER_NAME", Text),
        ("PORTCULLIS_DECISION_POINT", Text),
        ("PORTCULLIS_TIMEOUT", Text),
        ("PORTCULLIS_BASE_URL", Text),
        ("PORTCULLIS_ON_UNAVAILABLE", Text),
        ("PORTCULLIS_PARTIAL_BODY", Text),
        ("PORTCULLIS_LOGIN_URL", Text),
        ("PORTCULLIS_API_ID", Text),
        ("PORTCULLIS_API_STAGE", Text),
        ("PORTCULLIS_ROOT_CA", Text),
        ("PORTCULLIS_ISSUER", Text),
        ("PORTCULLIS_AUDIENCE", Text),
        ("PORTCULLIS_PROFILE", Text),
        ("PORTCULLIS_SCOPES", Text),
        ("PORTCULLIS_LEEWAY", Text),
        ("PORTCULLIS_PATHS", Text),
        ("PORTCULLIS_JWKS", Text),
        ("PORTCULLIS_BUNDLE", Text),
        ("AUTHZEN_PDP_URL", Text),
        ("AUTHZEN_DISCOVERY", Boolean),
        ("AUTHZEN_ENDPOINT_ORIGINS", Text),
        ("AUTHZEN_SUBJECT_CLAIMS", Text),
        ("ACP_ISSUER_URL", Text),
        ("ACP_CLIENT_ID", Text),
        ("ACP_CLIENT_SECRET", Text),
        ("ACP_TENANT_ID", Text),
        ("ACP_RELOAD_INTERVAL", Text),
        ("ENFORCEMENT_ALLOW_UNKNOWN", Boolean),
        ("PORTCULLIS_CONFIGURATION_MAX_AGE", Text),
        ("LOGGING_LEVEL", Text),
    ]
};

/// Where the secrets begin that a policy names.
pub(crate) const POLICY_SECRET: &str = "INTROSPECTION_";

/// The settings of a `config.js`, which has been made JSON. A value of `null` counts as not set.
pub fn read_config(json: &str) -> Result<Environment, InvalidConfig> {
    if json.len() > MAX_CONFIG_BYTES {
        return Err(InvalidConfig::TooLarge);
    }
    let config: Map<String, Value> =
        serde_json::from_str(json).map_err(|_| InvalidConfig::NoObject)?;
    let mut variables = Vec::with_capacity(config.len());
    for (name, value) in config {
        let kind = kind_of(&name).ok_or_else(|| unknown(&name))?;
        let text = match (kind, value) {
            (_, Value::Null) => continue,
            (SettingType::Text, Value::String(text)) => text,
            (SettingType::Boolean, Value::Bool(flag)) => flag.to_string(),
            (SettingType::Number, Value::Number(number)) if number.is_u64() => number.to_string(),
            (kind, other) => {
                return Err(InvalidConfig::Type {
                    name,
                    found: describe(&other),
                    expected: kind.expected(),
                });
            }
        };
        variables.push((name, text));
    }
    Ok(variables.into_iter().collect())
}

/// The type of the setting of that name; `None` where there is none.
#[must_use]
pub fn kind_of(name: &str) -> Option<SettingType> {
    let known = SETTINGS.iter().find(|(known, _)| *known == name);
    let policy_secret = || name.starts_with(POLICY_SECRET).then_some(SettingType::Text);
    known.map(|(_, kind)| *kind).or_else(policy_secret)
}

fn unknown(name: &str) -> InvalidConfig {
    let distance = |known: &str| strsim::damerau_levenshtein(known, &name.to_ascii_uppercase());
    let nearest = SETTINGS.iter().map(|(known, _)| *known);
    let nearest = nearest
        .min_by_key(|known| distance(known))
        .filter(|known| distance(known) <= 4);
    InvalidConfig::Unknown {
        name: name.chars().filter(|c| !c.is_control()).take(64).collect(),
        hint: nearest.map_or_else(String::new, |known| format!("; did you mean {known}?")),
    }
}

/// What a value is, without the value.
const fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Why a `config.js` cannot be used. No message holds a value that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// More than [`MAX_CONFIG_BYTES`].
    #[error("config.js: the settings are larger than {MAX_CONFIG_BYTES} bytes")]
    TooLarge,
    /// It exports something else than an object.
    #[error("config.js: expected module.exports = {{ ... }} with the settings")]
    NoObject,
    /// A name that nobody reads.
    #[error("config.js: {name} is no setting{hint}")]
    Unknown {
        /// The name.
        name: String,
        /// The nearest known one.
        hint: String,
    },
    /// A value of another type.
    #[error("config.js: {name} is {found}: expected {expected}")]
    Type {
        /// The name.
        name: String,
        /// What is there.
        found: &'static str,
        /// What should be.
        expected: &'static str,
    },
    /// A value that cannot be used.
    #[error("config.js: {0}")]
    Setting(#[from] InvalidSetting),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_settings_of_pingones_kit_have_their_documented_types() {
        let config = read_config(
            r#"{"SECRET_HEADER_VALUE":"s","SERVICE_URL":"https://a","IS_DEBUG_ENABLED":true,"MAX_RETRIES":2,"PORTCULLIS_TIMEOUT":null}"#,
        )
        .unwrap();
        for (name, value) in [
            ("SECRET_HEADER_VALUE", Some("s")),
            ("SERVICE_URL", Some("https://a")),
            ("IS_DEBUG_ENABLED", Some("true")),
            ("MAX_RETRIES", Some("2")),
            ("PORTCULLIS_TIMEOUT", None),
        ] {
            assert_eq!(config.value(name), value, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_is_shown() {
        for (config, expected) in [
            (
                r#"{"IS_DEBUG_ENABLED":"true"}"#,
                "config.js: IS_DEBUG_ENABLED is a text: expected true or false, without quotation marks",
            ),
            (
                r#"{"MAX_RETRIES":"1"}"#,
                "config.js: MAX_RETRIES is a text: expected a whole number, without quotation marks",
            ),
            (
                r#"{"MAX_RETRIES":1.5}"#,
                "config.js: MAX_RETRIES is a number: expected a whole number, without quotation marks",
            ),
            (
                r#"{"SECRET_HEADER_VALUE":["hunter2"]}"#,
                "config.js: SECRET_HEADER_VALUE is a list: expected a text in quotation marks",
            ),
            (
                r#"{"SERVICE_URI":"https://a"}"#,
                "config.js: SERVICE_URI is no setting; did you mean SERVICE_URL?",
            ),
            (
                r#"{"hunter2hunter2":1}"#,
                "config.js: hunter2hunter2 is no setting",
            ),
            (
                "[]",
                "config.js: expected module.exports = { ... } with the settings",
            ),
        ] {
            assert_eq!(read_config(config).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn secrets_of_policies_are_settings_too() {
        let config = read_config(r#"{"INTROSPECTION_SECRET":"s"}"#).unwrap();
        assert_eq!(config.value("INTROSPECTION_SECRET"), Some("s"));
        assert!(read_config(r#"{"INTROSPECTION_SECRET":1}"#).is_err());
    }
}
