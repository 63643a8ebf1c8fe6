//! Places in a JSON body: a small part of `JSONPath` (RFC 9535), with which one can also write.
//!
//! `data.private`, `$.data['private']`, `$.items[0].price`, `$.items[*].price`, `*`. The root may be left out.
//! A name that meets a list stands for that member of each element: leaving something out must not depend
//! on whether it comes alone or in a list.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Map, Value};

/// Most steps of a path.
const MAX_STEPS: usize = 32;

/// A place, or several, in a JSON value.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct JsonPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Index(usize),
    /// Every member or element.
    Every,
}

impl JsonPath {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidJsonPath> {
        let mut rest = text.chars().peekable();
        let mut steps = Vec::new();
        if rest.next_if_eq(&'$').is_none() {
            steps.push(name(&mut rest)?);
        }
        while let Some(letter) = rest.next() {
            steps.push(match letter {
                '.' => name(&mut rest)?,
                '[' => bracket(&mut rest)?,
                _ => return Err(InvalidJsonPath),
            });
        }
        if steps.is_empty() || steps.len() > MAX_STEPS {
            return Err(InvalidJsonPath);
        }
        Ok(Self {
            text: text.to_owned(),
            steps,
        })
    }

    /// Removes what is at the place.
    pub(super) fn remove(&self, root: &mut Value) {
        remove(root, &self.steps);
    }

    /// Puts a value there. Members that are missing on the way are made; elements are not. Each time takes as many of
    /// `spare` bytes as the value is long; where less than that is left, nothing more is put anywhere, and nothing is
    /// left.
    pub(super) fn set(&self, root: &mut Value, value: &Value, spare: &mut usize) {
        // What has no length takes some all the same.
        let size = value.to_string().len().max(1);
        let mut put = |place: &mut Value| {
            *spare = spare.saturating_sub(size);
            if *spare > 0 {
                place.clone_from(value);
            }
        };
        set(root, &self.steps, &mut put);
    }

    /// Changes what is there.
    pub(super) fn update(&self, root: &mut Value, change: &mut dyn FnMut(&mut Value)) {
        update(root, &self.steps, change);
    }

    /// Leaves out everything that is at none of the places.
    pub(super) fn keep(paths: &[Self], root: &mut Value) {
        let steps: Vec<&[Step]> = paths.iter().map(|path| path.steps.as_slice()).collect();
        keep(root, &steps);
    }
}

fn name(rest: &mut Peekable<Chars<'_>>) -> Result<Step, InvalidJsonPath> {
    let mut name = String::new();
    while let Some(letter) = rest.next_if(|letter| !matches!(letter, '.' | '[' | ']')) {
        name.push(letter);
    }
    match name.as_str() {
        "" => Err(InvalidJsonPath),
        "*" => Ok(Step::Every),
        name if name.contains(['*', '$', '?', '(', ')', '\'', '"']) => Err(InvalidJsonPath),
        _ => Ok(Step::Member(name)),
    }
}

fn bracket(rest: &mut Peekable<Chars<'_>>) -> Result<Step, InvalidJsonPath> {
    let step = if let Some(quote) = rest.next_if(|letter| matches!(letter, '\'' | '"')) {
        let mut name = String::new();
        loop {
            match rest.next().ok_or(InvalidJsonPath)? {
                letter if letter == quote => break,
                '\\' => name.push(rest.next().ok_or(InvalidJsonPath)?),
                letter => name.push(letter),
            }
        }
        Step::Member(name)
    } else if rest.next_if_eq(&'*').is_some() {
        Step::Every
    } else {
        let mut digits = String::new();
        while let Some(digit) = rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        Step::Index(digits.parse().map_err(|_| InvalidJsonPath)?)
    };
    match rest.next() {
        Some(']') => Ok(step),
        _ => Err(InvalidJsonPath),
    }
}

fn remove(value: &mut Value, steps: &[Step]) {
    let Some((first, rest)) = steps.split_first() else {
        return;
    };
    if !rest.is_empty() {
        each(value, first, &mut |inner| remove(inner, rest));
        return;
    }
    match (value, first) {
        (Value::Object(members), Step::Member(name)) => drop(members.shift_remove(name)),
        (Value::Object(members), Step::Every) => members.clear(),
        (Value::Array(list), Step::Every) => list.clear(),
        (Value::Array(list), Step::Index(index)) if *index < list.len() => {
            drop(list.remove(*index));
        }
        (Value::Array(list), Step::Member(_)) => {
            for element in list {
                remove(element, steps);
            }
        }
        _ => {}
    }
}

fn set(value: &mut Value, steps: &[Step], put: &mut dyn FnMut(&mut Value)) {
    let Some((first, rest)) = steps.split_first() else {
        put(value);
        return;
    };
    if let (Value::Object(members), Step::Member(name)) = (&mut *value, first) {
        let inner = members
            .entry(name)
            .or_insert_with(|| Value::Object(Map::new()));
        set(inner, rest, put);
        return;
    }
    each(value, first, &mut |inner| set(inner, rest, put));
}

fn update(value: &mut Value, steps: &[Step], change: &mut dyn FnMut(&mut Value)) {
    match steps.split_first() {
        None => change(value),
        Some((first, rest)) => each(value, first, &mut |inner| update(inner, rest, change)),
    }
}

/// Calls with everything that one step leads to.
fn each(value: &mut Value, step: &Step, visit: &mut dyn FnMut(&mut Value)) {
    match (value, step) {
        (Value::Object(members), Step::Member(name)) => {
            members.get_mut(name).into_iter().for_each(visit);
        }
        (Value::Object(members), Step::Every) => members.values_mut().for_each(visit),
        (Value::Array(list), Step::Index(index)) => {
            list.get_mut(*index).into_iter().for_each(visit);
        }
        (Value::Array(list), Step::Every) => list.iter_mut().for_each(visit),
        (Value::Array(list), Step::Member(_)) => {
            for element in list {
                each(element, step, visit);
            }
        }
        _ => {}
    }
}

fn keep(value: &mut Value, paths: &[&[Step]]) {
    if paths.iter().any(|steps| steps.is_empty()) {
        return;
    }
    match value {
        Value::Object(members) => members.retain(|name, inner| {
            let on = following(paths, |step| match step {
                Step::Member(wanted) => wanted == name,
                Step::Every => true,
                Step::Index(_) => false,
            });
            keep(inner, &on);
            !on.is_empty()
        }),
        Value::Array(list) => {
            // Names stand for members of each element, so the list itself stays.
            let by_name: Vec<&[Step]> = paths
                .iter()
                .copied()
                .filter(|steps| matches!(steps.first(), Some(Step::Member(_))))
                .collect();
            let mut index = 0;
            list.retain_mut(|element| {
                let mut on = following(paths, |step| match step {
                    Step::Index(wanted) => *wanted == index,
                    Step::Every => true,
                    Step::Member(_) => false,
                });
                index += 1;
                on.extend(&by_name);
                keep(element, &on);
                !on.is_empty()
            });
        }
        // A path goes on where nothing is inside.
        other => *other = Value::Null,
    }
}

/// What is left of the paths whose first step leads on.
fn following<'a>(paths: &[&'a [Step]], leads: impl Fn(&Step) -> bool) -> Vec<&'a [Step]> {
    paths
        .iter()
        .filter_map(|steps| steps.split_first())
        .filter(|(first, _)| leads(first))
        .map(|(_, rest)| rest)
        .collect()
}

impl fmt::Debug for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A text that is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a path such as data.private, $.items[0].price or $.items[*].price")]
pub(super) struct InvalidJsonPath;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn body() -> Value {
        json!({
            "data": { "private": 1, "public": 2, "a.b": 3 },
            "items": [{ "price": 1, "secret": 2 }, { "price": 3, "secret": 4 }],
            "text": "x",
        })
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    /// How many places a path leads to.
    fn count(path: &JsonPath, value: &Value) -> usize {
        let mut found = 0;
        path.update(&mut value.clone(), &mut |_| found += 1);
        found
    }

    proptest! {
        #[test]
        fn what_is_excluded_is_gone_and_what_is_included_is_left(
            value in values(),
            text in r"[a-c*](\.[a-c*]|\[\*\]){0,3}",
            other in r"[a-c*](\.[a-c*]|\[\*\]){0,3}",
        ) {
            let path = JsonPath::parse(&text).unwrap();
            let mut left = value.clone();
            path.remove(&mut left);
            prop_assert_eq!(count(&path, &left), 0, "{} in {}", text, left);
            let mut kept = value.clone();
            JsonPath::keep(std::slice::from_ref(&path), &mut kept);
            prop_assert_eq!(count(&path, &kept), count(&path, &value), "{} in {}", text, kept);
            // No path makes a value panic.
            let other = JsonPath::parse(&other).unwrap();
            other.set(&mut left, &Value::from(1), &mut 1000);
            JsonPath::keep(&[path, other], &mut left);
        }
    }

    fn path(text: &str) -> JsonPath {
        JsonPath::parse(text).unwrap()
    }

    #[test]
    fn removes_with_everything_inside() {
        for (text, left) in [
            ("data.private", json!({ "public": 2, "a.b": 3 })),
            ("$.data['a.b']", json!({ "private": 1, "public": 2 })),
            ("$['data'].*", json!({})),
            ("data[*]", json!({})),
            (
                "data.none.deeper",
                json!({ "private": 1, "public": 2, "a.b": 3 }),
            ),
        ] {
            let mut body = body();
            path(text).remove(&mut body);
            assert_eq!(body["data"], left, "{text}");
        }
        for text in ["items.secret", "$.items[*].secret"] {
            let mut body = body();
            path(text).remove(&mut body);
            assert_eq!(
                body["items"],
                json!([{ "price": 1 }, { "price": 3 }]),
                "{text}"
            );
        }
        let mut body = body();
        path("$.items[0]").remove(&mut body);
        assert_eq!(body["items"], json!([{ "price": 3, "secret": 4 }]));
    }

    #[test]
    fn keeps_only_what_is_named() {
        for (texts, left) in [
            (vec!["text"], json!({ "text": "x" })),
            (
                vec!["data.public", "items.price"],
                json!({ "data": { "public": 2 }, "items": [{ "price": 1 }, { "price": 3 }] }),
            ),
            (
                vec!["$.items[1]"],
                json!({ "items": [{ "price": 3, "secret": 4 }] }),
            ),
            (vec!["*"], body()),
            (vec!["none"], json!({})),
            // A text has nothing inside that could be kept.
            (vec!["text.inner"], json!({ "text": null })),
        ] {
            let paths: Vec<_> = texts.iter().map(|text| path(text)).collect();
            let mut body = body();
            JsonPath::keep(&paths, &mut body);
            assert_eq!(body, left, "{texts:?}");
        }
    }

    #[test]
    fn sets_and_makes_what_is_missing() {
        let mut body = body();
        let mut spare = 4;
        path("data.new.deeper").set(&mut body, &json!(1), &mut spare);
        path("$.items[*].price").set(&mut body, &json!(0), &mut spare);
        path("$.items[7].price").set(&mut body, &json!(0), &mut spare);
        assert_eq!(spare, 1);
        // There is no room for this one.
        path("text").set(&mut body, &json!("longer"), &mut spare);
        assert_eq!((spare, &body["text"]), (0, &json!("x")));
        assert_eq!(body["data"]["new"], json!({ "deeper": 1 }));
        assert_eq!(
            body["items"],
            json!([{ "price": 0, "secret": 2 }, { "price": 0, "secret": 4 }])
        );
    }

    #[test]
    fn texts_that_are_no_paths_are_refused() {
        for text in [
            "",
            "$",
            ".",
            "a..b",
            "a[",
            "a[x]",
            "a['x",
            "a[?(@.b)]",
            "$..a",
            "a.b*",
            "a]",
            "a[-1]",
        ] {
            assert_eq!(JsonPath::parse(text), Err(InvalidJsonPath), "{text}");
        }
    }
}
