//! Attributes of the policy document, by the path that people write: `request.headers.X-App`.
//!
//! Names may have dots themselves (`https://example.com/roles`), so at each object the longest name that
//! is there counts.

use std::fmt;

use serde_json::Value;

use super::input::canonical;

/// Deepest path, in parts.
const MAX_PARTS: usize = 32;
/// Longest path, in bytes: traces repeat it.
const MAX_PATH_BYTES: usize = 1024;

/// The place of an attribute in the policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    /// As it is shown.
    shown: String,
    parts: Vec<String>,
}

/// What an attribute is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    /// Nothing: the comparator needs no other side.
    None,
    /// A value of the policy.
    Value(Value),
    /// Another attribute.
    Reference(Path),
}

impl Path {
    /// A path from the root of the document: `authnCtx`, `request`, `response`, `contexts` or `output`.
    pub(crate) fn from_root(text: &str) -> Result<Self, InvalidPath> {
        check_length(text)?;
        let mut parts: Vec<String> = text.split('.').map(str::to_owned).collect();
        if parts.len() > MAX_PARTS {
            return Err(InvalidPath::Depth);
        }
        let Some(root) = parts.first_mut() else {
            return Err(InvalidPath::Root);
        };
        let known = match root.as_str() {
            "authnCtx" | "authn_ctx" => "authn_ctx",
            "request" => "request",
            "contexts" => "contexts",
            "login" => "login",
            "response" => "response",
            "output" => "output",
            _ => return Err(InvalidPath::Root),
        };
        known.clone_into(root);
        let names_header = matches!(
            parts.get(..2),
            Some([message, headers]) if (message == "request" || message == "response") && headers == "headers"
        );
        if let Some(name) = parts.get_mut(2).filter(|_| names_header) {
            *name = canonical(name);
        }
        Ok(Self {
            shown: text.to_owned(),
            parts,
        })
    }

    /// A claim of the authentication context.
    pub(crate) fn in_context(field: &str) -> Result<Self, InvalidPath> {
        let path = Self::from_root(&format!("authn_ctx.{field}"))?;
        Ok(Self {
            shown: field.to_owned(),
            ..path
        })
    }

    /// A header field.
    pub(crate) fn header(name: &str) -> Result<Self, InvalidPath> {
        check_length(name)?;
        Ok(Self {
            shown: format!("header {name}"),
            parts: vec!["request".to_owned(), "headers".to_owned(), canonical(name)],
        })
    }

    /// What is there.
    pub(crate) fn find<'value>(&self, document: &'value Value) -> Option<&'value Value> {
        self.find_counting(document, &mut 0)
    }

    /// The same. Adds to `looks` how many names of members were looked for, which are many where members of the
    /// document have names with dots.
    pub(crate) fn find_counting<'value>(
        &self,
        document: &'value Value,
        looks: &mut usize,
    ) -> Option<&'value Value> {
        find(document, &self.parts, looks)
    }
}

fn check_length(text: &str) -> Result<(), InvalidPath> {
    if text.len() > MAX_PATH_BYTES {
        return Err(InvalidPath::Length);
    }
    Ok(())
}

fn find<'value>(
    value: &'value Value,
    parts: &[String],
    looks: &mut usize,
) -> Option<&'value Value> {
    if parts.is_empty() {
        return Some(value);
    }
    if let Some(list) = value.as_array() {
        let (index, rest) = parts.split_first()?;
        return find(list.get(index.parse::<usize>().ok()?)?, rest, looks);
    }
    let members = value.as_object()?;
    (1..=parts.len()).rev().find_map(|count| {
        *looks += 1;
        let (name, rest) = parts.split_at_checked(count)?;
        let member = members.get(&name.join("."))?;
        find(member, rest, looks)
    })
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Why a text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPath {
    /// It begins with something that a policy is not given.
    #[error("an attribute begins with authnCtx, request or contexts")]
    Root,
    /// More parts than any attribute has.
    #[error("an attribute has at most {MAX_PARTS} parts")]
    Depth,
    /// Longer than any attribute is.
    #[error("an attribute has at most {MAX_PATH_BYTES} bytes")]
    Length,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_names_with_dots_and_header_names_in_any_case() {
        let document = json!({
            "authn_ctx": { "https://a.example/roles": ["x"], "a": { "b": 1 }, "a.b": 2 },
            "request": { "headers": { "X-App": ["y"] }, "mtls": { "x5t#S256": "z" } },
        });
        let find = |path: &str| Path::from_root(path).unwrap().find(&document).cloned();
        assert_eq!(find("authnCtx.https://a.example/roles.0"), Some(json!("x")));
        assert_eq!(find("authnCtx.a.b"), Some(json!(2)), "the longest name");
        assert_eq!(find("request.headers.x-app"), Some(json!(["y"])));
        assert_eq!(find("request.mtls.x5t#S256"), Some(json!("z")));
        assert_eq!(find("request.body"), None);
        assert_eq!(Path::from_root("env.HOME"), Err(InvalidPath::Root));
        let long = format!("authnCtx.{}", "x".repeat(MAX_PATH_BYTES));
        assert_eq!(Path::from_root(&long), Err(InvalidPath::Length));
        assert_eq!(Path::header(&long), Err(InvalidPath::Length));
    }

    #[test]
    fn counts_the_names_that_are_looked_for() {
        // At each level every beginning of the rest of the path is the name of a member.
        let mut document = json!({});
        for depth in 1..8 {
            document = (1..=depth)
                .map(|count| (vec!["a"; count].join("."), document.clone()))
                .collect();
        }
        let document = json!({ "request": document });
        let path = format!("request.{}b", "a.".repeat(7));
        let path = Path::from_root(&path).unwrap();
        let mut looks = 0;
        assert_eq!(path.find_counting(&document, &mut looks), None);
        assert!(looks > 100, "{looks}");
    }
}
