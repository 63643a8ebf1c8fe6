//! Reading a JSON object into a struct, strictly: an array in its place is refused, and an error
//! says which member it is about without repeating what was found there.
//!
//! Serde's derived readers also take a struct from an array, member by position. For an answer of
//! the decision service that would make a permit of a list.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor,
};

/// Reads a whole JSON text that is one object. The message of the error names the member and the
/// place.
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, String> {
    // The parser does not look into texts that nobody wants, and would take any bytes there.
    let json = str::from_utf8(json)
        .map_err(|_| "expected JSON in UTF-8 (RFC 8259 section 8.1)".to_owned())?;
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserialize(&mut deserializer)
        .and_then(|object| deserializer.end().map(|()| object))
        .map_err(|error| describe(&error.to_string()))
}

/// For `deserialize_with`: a member that is an object.
pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct ObjectVisitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(Members {
                members,
                name: String::new(),
            }))
        }
    }

    deserializer.deserialize_map(ObjectVisitor(PhantomData))
}

/// For `deserialize_with`: a member that is an object, absent or `null`.
pub(crate) fn deserialize_optional<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    struct Object<T>(T);

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserialize(deserializer).map(Self)
        }
    }

    let object: Option<Object<T>> = Option::deserialize(deserializer)?;
    Ok(object.map(|Object(value)| value))
}

/// The members of an object; remembers the name of the one that is being read.
struct Members<A> {
    members: A,
    name: String,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let Some(name) = self.members.next_key()? else {
            return Ok(None);
        };
        self.name = name;
        let name: StrDeserializer<'_, A::Error> = self.name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.members.next_value_seed(seed).map_err(|error| {
            let cause = describe(&error.to_string());
            // Unknown members fail only on bad syntax; their names are anybody's.
            let name: String = self.name.chars().take(MAX_NAME_CHARS).collect();
            A::Error::custom(format_args!("{}: {cause}", name.escape_debug()))
        })
    }
}

/// Longest name of a member that a message repeats, in characters.
const MAX_NAME_CHARS: usize = 32;

/// The parser's message without the value that it did not expect, which may be a token.
fn describe(message: &str) -> String {
    for start in ["invalid type: ", "invalid value: "] {
        if let Some(found) = message.strip_prefix(start)
            && let Some((found, expected)) = found.rsplit_once(", expected ")
        {
            let kind = match found.split(['"', '`', ' ']).next().unwrap_or_default() {
                "map" => "object",
                "sequence" => "array",
                "integer" | "floating" => "number",
                kind => kind,
            };
            return format!("got a JSON {kind}, expected {expected}");
        }
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_quotes_nothing() {
        let secret = "Bearer s3cret, expected nothing";
        let json = serde_json::to_string(secret).unwrap();
        let error = serde_json::from_str::<Vec<u8>>(&json).unwrap_err();
        assert!(
            error.to_string().contains("s3cret"),
            "the parser's own message quotes: {error}"
        );
        let described = describe(&error.to_string());
        assert!(!described.contains("s3cret"), "{described}");
    }
}
