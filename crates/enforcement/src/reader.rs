//! How the values of settings are read: words, times, and what of a URL may be shown.

use std::time::Duration;

use crate::environment::Environment;
use crate::invalid_setting::InvalidSetting;

/// Reads settings.
#[derive(Debug, Clone, Copy)]
pub struct SettingReader<'a>(pub &'a Environment);

impl SettingReader<'_> {
    /// `true` or `false`, in any case; `false` where it is not set.
    pub fn flag(&self, name: &'static str) -> Result<bool, InvalidSetting> {
        self.choice(name, &[("true", true), ("false", false)], false)
    }

    /// One of those words, in any case; `default` where it is not set.
    pub fn choice<T: Copy>(
        &self,
        name: &'static str,
        choices: &[(&str, T)],
        default: T,
    ) -> Result<T, InvalidSetting> {
        let Some(text) = self.0.value(name) else {
            return Ok(default);
        };
        let found = choices
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text))
            .map(|(_, value)| *value);
        let words = || {
            choices
                .iter()
                .map(|(word, _)| *word)
                .collect::<Vec<_>>()
                .join(" or ")
        };
        found.ok_or_else(|| InvalidSetting::new(name, text, &words()))
    }

    /// Certificate authorities in PEM, from the setting itself or from the file that it names, as `use_them` makes something
    /// of them or says why it cannot; `None` where the setting is not there.
    pub fn certificates<T>(
        &self,
        name: &'static str,
        use_them: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, InvalidSetting> {
        let Some(text) = self.0.value(name) else {
            return Ok(None);
        };
        let expected =
            |error: &str| format!("certificates in PEM, or the path of a file with them ({error})");
        let pem = if text.starts_with("-----BEGIN") {
            text.to_owned()
        } else {
            self.0
                .read_file(text)
                .map_err(|error| InvalidSetting::new(name, text, &expected(&error.to_string())))?
        };
        use_them(&pem)
            .map(Some)
            .map_err(|error| InvalidSetting::new(name, "[PEM]", &expected(&error)))
    }
}

/// The part of a URL that is never a secret: neither user information nor path nor query.
#[must_use]
pub fn shown(url: &str) -> &str {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') || scheme.is_empty() {
        return "[redacted]";
    }
    url.get(..scheme.len() + 3 + authority.len())
        .unwrap_or("[redacted]")
}

/// `2s` or `500ms`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    if let Some(number) = text.strip_suffix("ms") {
        return number.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?
        .parse()
        .ok()
        .map(Duration::from_secs)
}
