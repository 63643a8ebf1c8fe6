//! `edge.toml`: the settings of the edge function by the names of `config.js`, checked as the function will check them.

use std::path::{Component, Path};

use anyhow::{Context, Result, anyhow};
use portcullis_edge::{EdgeSettings, InvalidConfig, read_config};
use portcullis_enforcement::{Languages, SettingReader};
use portcullis_pdp::http::TlsRoots;
use serde_json::{Map, Value};

use super::archive::{read_file, read_text};

/// Settings that name a file of the package, with what stands before its path.
const FILES: [(&str, &str); 3] = [
    ("PORTCULLIS_BUNDLE", "file:"),
    ("PORTCULLIS_JWKS", "file:"),
    ("PORTCULLIS_ROOT_CA", ""),
];

/// What a `config.js` holds that is to be filled in by hand, as that of `PingOne`'s kit is.
const BY_HAND: &str = "'use strict';

// The settings of the function. Each name is one of `portcullis package edge --help` and docs/cloudfront.md.
module.exports = {
  // The gateway credential.
  SECRET_HEADER_VALUE: '',
  // The base URL of the decision service.
  SERVICE_URL: '',
  // Whether each exchange with it is logged, redacted.
  IS_DEBUG_ENABLED: false,
  // How often it is asked again after network errors and HTTP 5xx.
  MAX_RETRIES: 1,
};
";

/// The settings of a package.
#[derive(Debug)]
pub(super) struct EdgeConfig {
    /// The text of `config.js`.
    pub(super) script: String,
    /// Further files, by their path from the folder of `config.js`.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// Whether anything has to be filled in yet.
    pub(super) by_hand: bool,
}

impl EdgeConfig {
    /// One that is to be filled in by hand.
    pub(super) fn by_hand() -> Self {
        Self {
            script: BY_HAND.to_owned(),
            files: Vec::new(),
            by_hand: true,
        }
    }

    /// Reads `edge.toml`. Files that it names are looked for beside it.
    pub(super) fn read(path: &Path, languages: Languages) -> Result<Self> {
        let shown = path.display();
        let text = read_text(path).with_context(|| format!("{shown} cannot be read"))?;
        // Not the error itself, which shows the line, and with it a secret.
        let settings: Map<String, Value> = toml::from_str(&text).map_err(|error| {
            let (line, column) = place(&text, error.span().map_or(0, |span| span.start));
            anyhow!("{shown}:{line}:{column}: {}", error.message())
        })?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let wrong = |error: InvalidConfig| {
            let message = error.to_string();
            anyhow!(
                "{shown}: {}",
                message.strip_prefix("config.js: ").unwrap_or(&message)
            )
        };
        let json = Value::Object(settings.clone()).to_string();
        let beside = folder.clone();
        let environment = read_config(&json)
            .map_err(wrong)?
            .with_files(move |name| read_text(&beside.join(name)));
        EdgeSettings::from_environment(&environment, languages)
            .map_err(|error| wrong(error.into()))?;
        let mut files = Vec::new();
        for (name, prefix) in FILES {
            let Some(value) = environment.value(name) else {
                continue;
            };
            let Some(file) = value.strip_prefix(prefix) else {
                continue;
            };
            if file.starts_with("-----BEGIN") {
                continue;
            }
            let file = within(file).with_context(|| {
                format!("{shown}: {name} names a file outside of its folder; put it beside {shown}")
            })?;
            let content = read_file(&folder.join(file))
                .with_context(|| format!("{shown}: {name}: {file} cannot be read"))?;
            // Two settings may name the same file.
            if files.iter().all(|(known, _)| known != file) {
                files.push((file.to_owned(), content));
            }
        }
        // The function hands them to Node.js, which says little about those that it does not take.
        let read = |pem: &str| TlsRoots::with_pem(pem.as_bytes()).map_err(|e| e.to_string());
        SettingReader(&environment)
            .certificates("PORTCULLIS_ROOT_CA", read)
            .map_err(|error| wrong(error.into()))?;
        Ok(Self {
            script: script(&settings),
            files,
            by_hand: false,
        })
    }
}

/// A relative path that leads nowhere but below its folder.
fn within(path: &str) -> Option<&str> {
    let below = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    (below && !path.is_empty()).then_some(path)
}

/// Line and column, from 1, of a place in a text.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

/// `config.js`. A JSON text is one of JavaScript, too (ECMA-262, 2019). A name that is more than a word stands in
/// quotation marks, or it would be code.
fn script(settings: &Map<String, Value>) -> String {
    let is_word = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let lines: Vec<String> = settings
        .iter()
        .map(|(name, value)| {
            if is_word(name) {
                format!("  {name}: {value},")
            } else {
                format!("  {}: {value},", Value::from(name.as_str()))
            }
        })
        .collect();
    let lines = lines.join("\n");
    format!(
        "'use strict';\n\n// The settings of the function, written by `portcullis package edge`.\nmodule.exports = {{\n{lines}\n}};\n"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_never_code() {
        let Value::Object(settings) = json!({
            "INTROSPECTION_A": "one",
            "INTROSPECTION_B-C": "two",
            "INTROSPECTION_}; process.exit(); ({\"D": "three",
        }) else {
            unreachable!()
        };
        let script = script(&settings);
        assert!(script.contains("\n  INTROSPECTION_A: \"one\",\n"));
        assert!(script.contains("\n  \"INTROSPECTION_B-C\": \"two\",\n"));
        let quoted = r#"  "INTROSPECTION_}; process.exit(); ({\"D": "three","#;
        assert!(script.contains(quoted), "{script}");
    }
}
