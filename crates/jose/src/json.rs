//! JSON objects from untrusted text: member names unique at every depth (RFC 7515 section 4,
//! RFC 7519 section 4), and depth and number of values bounded before anything is built.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};
use thiserror::Error;

use crate::JsonObject;

/// Why a JSON text is refused. No variant holds any of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON in UTF-8, or something follows the value.
    #[error("it must be one well-formed JSON value in UTF-8")]
    Syntax,
    /// Well-formed, but not an object.
    #[error("it must be a JSON object")]
    NotAnObject,
    /// An object, at any depth, names a member twice.
    #[error("it must not name a member twice in the same object")]
    DuplicateMember,
    /// Arrays or objects are nested too deeply.
    #[error("it must not nest arrays and objects more than {0} deep")]
    TooDeep(usize),
    /// Too many values in all.
    #[error("it must not hold more than {0} values")]
    TooManyValues(usize),
}

impl JsonError {
    /// The section of the specification that this refusal enforces.
    #[must_use]
    pub const fn reference(&self) -> &'static str {
        match self {
            Self::Syntax => "RFC 8259 section 2",
            Self::NotAnObject => "RFC 7515 section 4",
            Self::DuplicateMember => "RFC 8259 section 4",
            Self::TooDeep(_) | Self::TooManyValues(_) => "RFC 8259 section 9",
        }
    }
}

/// How much of a JSON text is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JsonLimits {
    /// How deep arrays and objects may be nested; the outermost object counts.
    pub(crate) depth: usize,
    /// How many values there may be in all, scalars, arrays and objects alike.
    pub(crate) values: usize,
}

/// Reads one JSON object and nothing after it, with the limits of a token's payload: for claims that
/// come without a token around them, such as those of RFC 7662 section 2.2.
pub fn parse_json_object(text: &[u8]) -> Result<JsonObject, JsonError> {
    parse_object(text, crate::jws::PAYLOAD_LIMITS)
}

/// Reads one JSON object and nothing after it.
pub(crate) fn parse_object(text: &[u8], limits: JsonLimits) -> Result<JsonObject, JsonError> {
    let reading = Reading {
        limits,
        values: Cell::new(0),
        refusal: Cell::new(None),
    };
    // Once for all: from bytes, every string would be checked again by itself.
    let text = str::from_utf8(text).map_err(|_| JsonError::Syntax)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = StrictValue {
        reading: &reading,
        depth: 0,
    }
    .deserialize(&mut deserializer)
    .and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(JsonError::NotAnObject),
        Err(_) => Err(reading.refusal.get().unwrap_or(JsonError::Syntax)),
    }
}

/// What is known while a text is read. A refusal is kept here because serde errors are text.
struct Reading {
    limits: JsonLimits,
    values: Cell<usize>,
    refusal: Cell<Option<JsonError>>,
}

impl Reading {
    fn refuse<E: serde::de::Error>(&self, refusal: JsonError) -> E {
        self.refusal.set(Some(refusal));
        E::custom("refused")
    }
}

/// Reads one value `depth` levels below the outermost.
#[derive(Clone, Copy)]
struct StrictValue<'r> {
    reading: &'r Reading,
    depth: usize,
}

impl StrictValue<'_> {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > self.reading.limits.depth {
            return Err(self
                .reading
                .refuse(JsonError::TooDeep(self.reading.limits.depth)));
        }
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for StrictValue<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let values = self.reading.values.get() + 1;
        if values > self.reading.limits.values {
            return Err(self
                .reading
                .refuse(JsonError::TooManyValues(self.reading.limits.values)));
        }
        self.reading.values.set(values);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| self.reading.refuse(JsonError::Syntax))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(inside)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut next = members.next_key::<String>()?;
        if next.as_deref() == Some(NUMBER) {
            return self.visit_number(members);
        }
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(name) = next {
            match object.entry(name) {
                Entry::Vacant(member) => {
                    member.insert(members.next_value_seed(inside)?);
                }
                Entry::Occupied(_) => return Err(self.reading.refuse(JsonError::DuplicateMember)),
            }
            next = members.next_key()?;
        }
        Ok(Value::Object(object))
    }
}

/// How `serde_json` presents a number when any crate of the build turns its `arbitrary_precision`
/// feature on: as an object with this one member. The reader must not depend on who else is there.
const NUMBER: &str = "$serde_json::private::Number";

impl StrictValue<'_> {
    fn visit_number<'de, A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let digits = members.next_value::<String>()?;
        if members.next_key::<String>()?.is_some() {
            return Err(self.reading.refuse(JsonError::Syntax));
        }
        digits
            .parse()
            .map(Value::Number)
            .map_err(|_| self.reading.refuse(JsonError::Syntax))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: JsonLimits = JsonLimits {
        depth: 3,
        values: 8,
    };

    fn refusal(text: &str) -> JsonError {
        parse_object(text.as_bytes(), LIMITS).unwrap_err()
    }

    #[test]
    fn reads_every_kind_of_value() {
        let text = r#"{"a":[1,-2,1.5],"b":null,"c":true,"d":"\u00e9"}"#;
        let object = parse_object(text.as_bytes(), LIMITS).unwrap();
        assert_eq!(
            Value::Object(object),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }

    #[test]
    fn refuses_a_member_named_twice_at_any_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":3}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[{"a":1,"a":2}]}"#,
        ] {
            assert_eq!(refusal(text), JsonError::DuplicateMember, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_one_json_object() {
        for text in [
            "",
            " ",
            "{",
            "{}{}",
            "{} x",
            r#"{"a":}"#,
            r#"{"a":01}"#,
            r#"{"a":NaN}"#,
        ] {
            assert_eq!(refusal(text), JsonError::Syntax, "{text}");
        }
        for text in [
            "\u{feff}{}",
            r#"{"a":"\ud800"}"#,
            "{'a':1}",
            r#"{"a":1,}"#,
            "/**/{}",
        ] {
            assert_eq!(refusal(text), JsonError::Syntax, "{text}");
        }
        for text in ["1", "null", r#""a""#, "[]", r#"[{"a":1}]"#] {
            assert_eq!(refusal(text), JsonError::NotAnObject, "{text}");
        }
        assert_eq!(
            parse_object(b"{\"a\":\"\xff\"}", LIMITS),
            Err(JsonError::Syntax)
        );
    }

    #[test]
    fn bounds_depth_and_number_of_values() {
        assert!(parse_object(br#"{"a":[[1]]}"#, LIMITS).is_ok());
        assert_eq!(refusal(r#"{"a":[[[]]]}"#), JsonError::TooDeep(3));
        assert_eq!(refusal(r#"{"a":[[{}]]}"#), JsonError::TooDeep(3));
        assert_eq!(
            refusal(r#"{"a":[1,2,3,4,5,6,7]}"#),
            JsonError::TooManyValues(8)
        );
        assert_eq!(
            refusal(&format!("{}{}", r#"{"a":"#, "[".repeat(9000))),
            JsonError::TooDeep(3)
        );
    }
}
