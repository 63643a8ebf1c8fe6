//! What an enforcement point is set up with: variables, and the files that they name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::{fmt, io};

/// A snapshot of the environment. A variable that is set to nothing counts as not set, because
/// CloudFormation passes an empty parameter on as an empty variable.
#[derive(Clone)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    files: Arc<ReadFile>,
}

/// Reads a file that a variable names.
pub type ReadFile = dyn Fn(&str) -> io::Result<String> + Send + Sync;

impl Environment {
    /// The environment of this process.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        std::env::vars_os().filter_map(text).collect()
    }

    /// The value of a variable, trimmed; `None` where it is not set or empty.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The same variables, with files from elsewhere.
    #[must_use]
    pub fn with_files(
        self,
        files: impl Fn(&str) -> io::Result<String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            files: Arc::new(files),
            ..self
        }
    }

    /// The same, with further variables.
    #[must_use]
    pub fn with_variables(mut self, more: impl IntoIterator<Item = (String, String)>) -> Self {
        self.variables.extend(more);
        self
    }

    /// The same, with those variables only.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.variables.retain(|name, _| wanted(name));
        self
    }

    /// A file that a variable names.
    pub fn read_file(&self, path: &str) -> io::Result<String> {
        (self.files)(path)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            files: Arc::new(read_file),
        }
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// From the system.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the files which settings name"
)]
fn read_file(path: &str) -> io::Result<String> {
    std::fs::read_to_string(path)
}

/// Names only: the environment of a function holds its secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
