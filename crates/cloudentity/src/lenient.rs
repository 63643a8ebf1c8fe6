//! Absent, null and empty are the same to a control plane.

use serde::{Deserialize, Deserializer};

/// A value, or its default where there is null.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
