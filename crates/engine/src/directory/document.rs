//! The YAML documents of a policy directory, as they are written: every value keeps its place.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Error, Location, Spanned};

use super::{DocumentFile, MAX_SOURCE_BYTES, SourceFile};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::statement::StatementDocument;

/// `portcullis.yaml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RootDocument {
    /// Token issuers of every service that names none of its own.
    #[serde(default, deserialize_with = "list")]
    pub(super) tokens: Vec<TokenDocument>,
}

/// `services/*.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceDocument {
    pub(super) name: Spanned<String>,
    #[serde(default, deserialize_with = "list")]
    pub(super) base_urls: Vec<Spanned<String>>,
    #[serde(default, deserialize_with = "list")]
    pub(super) aws: Vec<Spanned<AwsDocument>>,
    #[serde(default, deserialize_with = "list")]
    pub(super) tokens: Vec<TokenDocument>,
    #[serde(default, deserialize_with = "present")]
    pub(super) unmatched: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) order: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) rules: Option<Spanned<RulesDocument>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) policy: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) response_policy: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "list")]
    pub(super) statements: Vec<StatementDocument>,
    #[serde(default, deserialize_with = "list")]
    #[expect(clippy::vec_box, reason = "each is freed once it is compiled")]
    pub(super) operations: Vec<Box<OperationDocument>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) paths: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) resource_metadata: Option<Spanned<bool>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AwsDocument {
    pub(super) api_id: String,
    pub(super) stage: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenDocument {
    pub(super) issuer: Spanned<String>,
    #[serde(default, deserialize_with = "list")]
    pub(super) audiences: Vec<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) any_audience: Option<Spanned<bool>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) profile: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) leeway: Option<Spanned<u64>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) claims: Option<ClaimsDocument>,
    #[serde(default, deserialize_with = "present")]
    pub(super) introspection: Option<Spanned<IntrospectionDocument>>,
}

/// Where claims are that issuers do not agree about.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClaimsDocument {
    #[serde(default, deserialize_with = "present")]
    pub(super) groups: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) permissions: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) types: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IntrospectionDocument {
    #[serde(default, deserialize_with = "present")]
    pub(super) endpoint: Option<Spanned<String>>,
    pub(super) client_id: Spanned<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) authentication: Option<Spanned<String>>,
    pub(super) secret: Spanned<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) signed: Option<Spanned<bool>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) max_age: Option<Spanned<u64>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) audience: Option<Spanned<String>>,
}

/// What few operations have is boxed: a policy may have ten thousand of these at once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OperationDocument {
    pub(super) name: Spanned<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) methods: Option<Spanned<Vec<String>>>,
    pub(super) paths: Spanned<Vec<Spanned<String>>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) rules: Option<Spanned<RulesDocument>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) public: Option<Box<Spanned<bool>>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) token: Option<Box<Spanned<String>>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) policy: Option<Box<Spanned<String>>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) response_policy: Option<Box<Spanned<String>>>,
    #[serde(default, deserialize_with = "list")]
    pub(super) statements: Vec<StatementDocument>,
}

/// Rules; most places have scopes only, so the others are boxed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesDocument {
    #[serde(default, deserialize_with = "present")]
    pub(super) scopes: Option<Spanned<AnyAllDocument>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) groups: Option<Box<Spanned<AnyDocument>>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) permission: Option<Box<Spanned<String>>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) authentication: Option<Box<Spanned<AuthenticationDocument>>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) sender_constraint: Option<Box<Spanned<String>>>,
}

impl RulesDocument {
    pub(super) fn is_empty(&self) -> bool {
        self.scopes.is_none()
            && self.groups.is_none()
            && self.permission.is_none()
            && self.authentication.is_none()
            && self.sender_constraint.is_none()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnyAllDocument {
    #[serde(default, deserialize_with = "list")]
    pub(super) any_of: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    pub(super) all_of: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthenticationDocument {
    #[serde(default, deserialize_with = "list")]
    pub(super) acr_values: Vec<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) max_age: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnyDocument {
    pub(super) any_of: Vec<String>,
}

// A key may be absent, but it may not be empty: `rules:` with nothing behind it, which YAML reads as
// null, must not mean that nothing is asked for.

pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct List<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list; leave the key out if there is nothing to list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
            let list = Vec::deserialize(SeqAccessDeserializer::new(list))?;
            if list.is_empty() {
                Err(A::Error::custom(
                    "an empty list; leave the key out if there is nothing to list",
                ))
            } else {
                Ok(list)
            }
        }
    }

    deserializer.deserialize_any(List(PhantomData))
}

/// Parses one file; the parser's own budget bounds depth, nodes and aliases.
pub(crate) fn parse<T: DeserializeOwned>(file: &SourceFile) -> Result<T, Diagnostic> {
    if file.text.len() > MAX_SOURCE_BYTES {
        return Err(Diagnostic::new(
            &file.path,
            None,
            format!("the file is larger than {MAX_SOURCE_BYTES} bytes"),
        ));
    }
    // What a rule says must stand where the rule stands: nothing is merged in from elsewhere.
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        merge_keys: MergeKeyPolicy::Error,
        duplicate_keys: DuplicateKeyPolicy::Error,
    };
    serde_saphyr::from_str_with_options(&file.text, options)
        .map_err(|error| diagnose(&file.path, &error))
}

/// Reads a document that was turned into JSON.
pub(super) fn from_json<T: DeserializeOwned>(file: &DocumentFile) -> Result<T, Diagnostic> {
    T::deserialize(&file.document)
        .map_err(|error| Diagnostic::new(&file.path, None, error.to_string()))
}

/// The place of a value, or `None` where the parser does not know it.
pub(crate) fn place(location: Location) -> Option<(u64, u64)> {
    (location.line() > 0).then(|| (location.line(), location.column()))
}

fn diagnose(path: &str, error: &Error) -> Diagnostic {
    let error = error.without_snippet();
    let at = error.location().and_then(place);
    match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => {
            let shown = field.escape_debug();
            let finding = Diagnostic::new(path, at, format!("unknown key \"{shown}\""));
            finding.help(suggestion(field, expected.iter().copied()))
        }
        Error::SerdeMissingField { field, .. } => {
            Diagnostic::new(path, at, format!("key \"{field}\" is missing"))
        }
        other => Diagnostic::new(path, at, first_line(&other.to_string())),
    }
}

/// The parser repeats the place at the end of its message; the diagnostic has it already.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or(message);
    line.split(" at line ")
        .next()
        .unwrap_or(line)
        .trim_start_matches("error: ")
        .to_owned()
}
