//! What is wrong with a policy, and where: file, line, column, and what to write instead.

use std::fmt;

/// One finding in a policy source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, relative to the policy directory.
    pub file: String,
    /// Line and column, from 1, where there is one.
    pub place: Option<(u64, u64)>,
    /// What was expected and what came.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A problem in a file, at a line and column where they are known.
    #[must_use]
    pub fn new(file: &str, place: Option<(u64, u64)>, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place,
            message: message.into(),
            help: None,
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a policy: never empty when it is an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Diagnostics(pub Vec<Diagnostic>);

/// What may have been meant by a name that is not known: the nearest of those that are, or else any of them.
pub(crate) fn suggestion<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    did_you_mean(name, known.clone()).unwrap_or_else(|| {
        let known: Vec<_> = known.into_iter().collect();
        format!("expected one of {}", known.join(", "))
    })
}

/// The nearest of the names that are known, as a question, where one is near.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(name, known).map(|name| format!("did you mean \"{name}\"?"))
}

/// The nearest of the names that are known, for a name that is not.
fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&name.to_lowercase(), candidate),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= candidate.len().max(name.len()) / 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["scopes", "groups", "public"];
        assert_eq!(nearest("scope", known), Some("scopes"));
        assert_eq!(nearest("Scopes", known), Some("scopes"));
        assert_eq!(nearest("pubilc", known), Some("public"));
        assert_eq!(nearest("x", known), None);
    }
}
