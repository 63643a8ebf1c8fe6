//! Writes JSON values as YAML that people can read: block style, with scalars as JSON writes them, which YAML
//! 1.2 reads alike.

use serde_json::Value;

/// The document of a value.
pub(crate) fn write(value: &Value) -> String {
    let mut text = String::new();
    block(&mut text, value, 0);
    text
}

/// A value that begins on a line of its own, `depth` levels in.
fn block(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                indent(text, depth);
                text.push_str(&key(name));
                text.push(':');
                below(text, value, depth);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                indent(text, depth);
                text.push('-');
                if item.as_object().is_some_and(|members| !members.is_empty()) {
                    // The first member stands on the line of the dash.
                    let start = text.len();
                    block(text, item, depth + 1);
                    text.replace_range(start..=(start + 2 * depth), "");
                } else {
                    below(text, item, depth);
                }
            }
        }
        other => {
            indent(text, depth);
            text.push_str(&other.to_string());
            text.push('\n');
        }
    }
}

/// A value after its key or dash: on the same line where it is small.
fn below(text: &mut String, value: &Value, depth: usize) {
    let small = match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.iter().all(|one| !one.is_object() && !one.is_array()),
        _ => true,
    };
    if small {
        text.push(' ');
        text.push_str(&value.to_string());
        text.push('\n');
    } else {
        text.push('\n');
        block(text, value, depth + 1);
    }
}

fn indent(text: &mut String, depth: usize) {
    text.extend(std::iter::repeat_n("  ", depth));
}

/// A key as it is where nobody can take it for anything else.
fn key(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        // What YAML 1.1 takes for a Boolean or for nothing.
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
            .contains(&name.to_ascii_lowercase().as_str());
    if plain {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn is_readable() {
        let value = json!({
            "name": "Solar \"System\"", "on": [], "list": ["a", 1],
            "operations": [{ "name": "x", "rules": { "scopes": { "any_of": ["a"] } } }, "é\n\u{7}"],
        });
        insta::assert_snapshot!(write(&value), @r#"
        name: "Solar \"System\""
        "on": []
        list: ["a",1]
        operations:
          - name: "x"
            rules:
              scopes:
                any_of: ["a"]
          - "é\n\u0007"
        "#);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,8}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Another reader of YAML finds the value that was written.
        #[test]
        fn comes_back(value in any_value()) {
            let text = write(&value);
            let read: Value = serde_saphyr::from_str(&text).unwrap();
            prop_assert_eq!(read, value, "{}", text);
        }
    }
}
