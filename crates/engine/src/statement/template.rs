//! Texts with attributes in them: `{{authnCtx.sub}}`. What they name is looked up when the statement is
//! carried out; what is missing then cannot be filled in.

use serde_json::Value;

use crate::policy::attribute::{InvalidPath, Path};

/// A text with attributes in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Attribute(Path),
}

/// A JSON value in whose texts attributes may stand.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ValueTemplate {
    Text(Template),
    List(Vec<ValueTemplate>),
    Object(Vec<(String, ValueTemplate)>),
    Plain(Value),
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, behind) = after.split_once("}}").ok_or(InvalidTemplate::Open)?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Attribute(Path::from_root(name.trim())?));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// The text, or the attribute that is missing or is no text, number or boolean. The only value of a
    /// list stands for the list.
    pub(super) fn text(&self, document: &Value) -> Result<String, Unfilled> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Attribute(path) => {
                    let unfilled = || Unfilled(path.to_string());
                    let found = path.find(document).ok_or_else(unfilled)?;
                    let found = match found.as_array().map(Vec::as_slice) {
                        Some([one]) => one,
                        _ => found,
                    };
                    match found {
                        Value::String(found) => text.push_str(found),
                        Value::Number(number) => text.push_str(&number.to_string()),
                        Value::Bool(found) => text.push_str(if *found { "true" } else { "false" }),
                        _ => return Err(unfilled()),
                    }
                }
            }
        }
        Ok(text)
    }

    /// The value of the attribute where the text is nothing else, and otherwise the text.
    fn value(&self, document: &Value) -> Result<Value, Unfilled> {
        match self.0.as_slice() {
            [Piece::Attribute(path)] => path
                .find(document)
                .cloned()
                .ok_or_else(|| Unfilled(path.to_string())),
            _ => self.text(document).map(Value::String),
        }
    }
}

impl ValueTemplate {
    pub(super) fn parse(value: &Value) -> Result<Self, InvalidTemplate> {
        Ok(match value {
            Value::String(text) => Self::Text(Template::parse(text)?),
            Value::Array(list) => {
                Self::List(list.iter().map(Self::parse).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), Self::parse(value)?)))
                    .collect::<Result<_, InvalidTemplate>>()?,
            ),
            plain => Self::Plain(plain.clone()),
        })
    }

    pub(super) fn value(&self, document: &Value) -> Result<Value, Unfilled> {
        Ok(match self {
            Self::Text(template) => template.value(document)?,
            Self::List(list) => Value::Array(
                list.iter()
                    .map(|one| one.value(document))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, one)| Ok((name.clone(), one.value(document)?)))
                    .collect::<Result<_, Unfilled>>()?,
            ),
            Self::Plain(value) => value.clone(),
        })
    }
}

/// An attribute that a text needs and that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the attribute {0} is missing, or no single text")]
pub(super) struct Unfilled(pub(super) String);

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidTemplate {
    /// `{{` without `}}`.
    #[error("\"{{{{\" has no \"}}}}\"")]
    Open,
    /// What stands between them is no attribute.
    #[error("{0}")]
    Attribute(#[from] InvalidPath),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn attributes_are_filled_in_where_they_are_there() {
        let document = json!({
            "authn_ctx": { "sub": "u1", "level": 3, "groups": ["a", "b"], "one": ["x"] },
            "output": { "tier": "gold" },
        });
        let text = |template: &str| Template::parse(template).unwrap().text(&document);
        assert_eq!(
            text("{{authnCtx.sub}}/{{ output.tier }}-{{authn_ctx.level}}"),
            Ok("u1/gold-3".to_owned())
        );
        assert_eq!(text("{{authnCtx.one}}"), Ok("x".to_owned()));
        assert_eq!(
            text("{{authnCtx.groups}}"),
            Err(Unfilled("authnCtx.groups".to_owned()))
        );
        assert_eq!(
            text("{{authnCtx.none}}"),
            Err(Unfilled("authnCtx.none".to_owned()))
        );
        let value = json!({ "who": "{{authnCtx.sub}}", "groups": "{{authnCtx.groups}}", "list": [1, "a {{output.tier}}"] });
        let value = ValueTemplate::parse(&value).unwrap().value(&document);
        assert_eq!(
            value.unwrap(),
            json!({ "who": "u1", "groups": ["a", "b"], "list": [1, "a gold"] })
        );
        assert_eq!(Template::parse("{{a"), Err(InvalidTemplate::Open));
        assert!(Template::parse("{{env.HOME}}").is_err());
    }
}
