//! Header fields on the wire: an array of objects with one member each, so that order, case and
//! repetition survive. A JSON map in their place makes `PingGateway`'s client fail, so none is sent.

use std::fmt;

use portcullis_model::{HeaderMap, InvalidHeader, MAX_HEADERS};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// Header fields as they travel: names and values, not yet checked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub(crate) Vec<(String, String)>);

impl Headers {
    /// The fields of a header map.
    #[must_use]
    pub fn from_model(headers: &HeaderMap) -> Self {
        Self(
            headers
                .iter()
                .map(|field| (field.name().to_owned(), field.value().to_owned()))
                .collect(),
        )
    }

    /// The header map with these fields.
    pub fn to_model(&self) -> Result<HeaderMap, InvalidHeader> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.0 {
            headers.append(name, value)?;
        }
        Ok(headers)
    }
}

/// Names only.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Field<'a>(&'a str, &'a str);

        impl Serialize for Field<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(self.0, self.1)?;
                map.end()
            }
        }

        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            list.serialize_element(&Field(name, value))?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Field(String, String);

        struct FieldVisitor;

        impl<'de> Visitor<'de> for FieldVisitor {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with one member, the header's name and its value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
                let one = "expected an object with exactly one member for each header";
                let (name, value) = map.next_entry()?.ok_or_else(|| A::Error::custom(one))?;
                match map.next_key::<String>()? {
                    None => Ok(Field(name, value)),
                    Some(_) => Err(A::Error::custom(one)),
                }
            }
        }

        impl<'de> Deserialize<'de> for Field {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map(FieldVisitor)
            }
        }

        struct ListVisitor;

        impl<'de> Visitor<'de> for ListVisitor {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an array of objects with one header each, such as [{\"Accept\": \"*/*\"}]",
                )
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some(Field(name, value)) = list.next_element()? {
                    if headers.len() == MAX_HEADERS {
                        return Err(A::Error::custom(format_args!(
                            "more than {MAX_HEADERS} headers"
                        )));
                    }
                    headers.push((name, value));
                }
                Ok(Headers(headers))
            }
        }

        deserializer.deserialize_seq(ListVisitor)
    }
}
