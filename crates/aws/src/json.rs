//! A JSON document that keeps the order and the repetition of members, read once, then asked for
//! members by name and, where an answer repeats a part of it, written again.
//!
//! `serde_json::Map` sorts members and drops all but the last of a name; the order of headers
//! must survive, and a header that is there twice must be seen twice.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Number;

use crate::error::EventError;

/// A JSON value. A number keeps its value, not how it was written (`1e2` becomes `100.0`), as in
/// any reader of JavaScript.
#[derive(Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    Object(Object),
}

/// The members of a JSON object, in the order of the document.
#[derive(Clone, PartialEq, Default)]
pub(crate) struct Object(Vec<(String, Json)>);

impl Json {
    /// What this is, for an error message that must not show the value.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl Object {
    /// Reads the document.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, EventError> {
        match serde_json::from_slice(document) {
            Ok(Json::Object(object)) => Ok(object),
            Ok(other) => Err(EventError::NotObject {
                found: other.kind(),
            }),
            // The message of serde_json is left out: it may show a value.
            Err(error) => Err(EventError::NotJson {
                line: error.line(),
                column: error.column(),
            }),
        }
    }

    /// An object of these members.
    pub(crate) fn of<'name>(members: impl IntoIterator<Item = (&'name str, Json)>) -> Self {
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// Whether a name stands there more than once.
    pub(crate) fn repeats_a_name(&self) -> bool {
        let mut seen = HashSet::new();
        !self.0.iter().all(|(name, _)| seen.insert(name))
    }

    /// Every member, also those that are null.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The member at the end of a dotted path, whose first parts only serve error messages. Null
    /// counts as absent.
    pub(crate) fn get(&self, path: &'static str) -> Result<Option<&Json>, EventError> {
        let name = path.rsplit('.').next().unwrap_or(path);
        let mut found = self
            .iter()
            .filter(|(member, _)| *member == name)
            .map(|(_, value)| value);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(EventError::Repeated { member: path }),
            (Some(Json::Null), None) => Ok(None),
            (value, None) => Ok(value),
        }
    }

    /// The string there, if any.
    pub(crate) fn text(&self, path: &'static str) -> Result<Option<&str>, EventError> {
        match self.get(path)? {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(other) => Err(unexpected(path, "a string", other)),
        }
    }

    /// The string there, which has to be there.
    pub(crate) fn required_text(&self, path: &'static str) -> Result<&str, EventError> {
        self.text(path)?.ok_or(EventError::Member {
            member: path,
            expected: "a string",
            found: "nothing",
        })
    }

    /// The object there. A missing one is empty.
    pub(crate) fn object(&self, path: &'static str) -> Result<&Self, EventError> {
        const EMPTY: &Object = &Object(Vec::new());
        match self.get(path)? {
            None => Ok(EMPTY),
            Some(Json::Object(object)) => Ok(object),
            Some(other) => Err(unexpected(path, "an object", other)),
        }
    }

    /// The array there. A missing one is empty.
    pub(crate) fn list(&self, path: &'static str) -> Result<&[Json], EventError> {
        match self.get(path)? {
            None => Ok(&[]),
            Some(Json::List(list)) => Ok(list),
            Some(other) => Err(unexpected(path, "an array", other)),
        }
    }
}

impl FromIterator<(String, Json)> for Object {
    fn from_iter<I: IntoIterator<Item = (String, Json)>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => serializer.collect_seq(list),
            Self::Object(object) => object.serialize(serializer),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The error for a value of the wrong type.
pub(crate) fn unexpected(member: &'static str, expected: &'static str, found: &Json) -> EventError {
    EventError::Member {
        member,
        expected,
        found: found.kind(),
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        let number = Number::from_f64(value);
        number
            .map(Json::Number)
            .ok_or_else(|| E::custom("not a number of JSON"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(Object(members)))
    }
}
