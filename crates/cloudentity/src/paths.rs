//! The paths of a configuration as path patterns.

use portcullis_model::PathPattern;

/// The patterns that cover what a path of a configuration covers.
///
/// A path is a template with `{parameters}`, of which `{name+}` takes the rest, as API Gateway writes it; or it ends
/// in `.*`, which takes whatever follows, as the regular expression that it is. API Gateway routes a path with `/` at
/// its end as it routes the one without, so both are covered.
///
/// The error has patterns that cover everything that such a path could cover, and more: it is for denying.
pub(crate) fn patterns(path: &str) -> Result<Vec<String>, Vec<String>> {
    readable(path).ok_or_else(|| {
        // The directories before the first character that is none of a template.
        let plain = path.find(|one| !is_plain(one) && !matches!(one, '/' | '{' | '}'));
        let before = path.get(..plain.unwrap_or(path.len())).unwrap_or_default();
        let directory = before
            .rfind('/')
            .and_then(|at| before.get(..=at))
            .unwrap_or("/");
        let patterns = vec![format!("{directory}**")];
        if are_patterns(&patterns) {
            patterns
        } else {
            vec!["/**".to_owned()]
        }
    })
}

/// The patterns that cover what a path of a configuration covers; `None` for one that cannot be said in patterns.
#[must_use]
pub fn path_patterns(path: &str) -> Option<Vec<String>> {
    readable(path)
}

fn readable(path: &str) -> Option<Vec<String>> {
    let (text, takes_rest) = match path.strip_suffix(".*") {
        Some(before) => (before, true),
        None => (path, false),
    };
    let mut pattern = String::new();
    let segments: Vec<&str> = text.split('/').collect();
    let last = segments.len().saturating_sub(1);
    for (number, segment) in segments.into_iter().enumerate() {
        if number > 0 {
            pattern.push('/');
        }
        let braced = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match braced {
            Some(name) => match name.strip_suffix('+') {
                // Nothing can follow what takes the rest.
                Some(name) if is_name(name) && number == last && !takes_rest => {
                    pattern.push_str("**");
                }
                None if is_name(name) => pattern.push_str(segment),
                _ => return None,
            },
            None if segment.chars().all(is_plain) => pattern.push_str(segment),
            None => return None,
        }
    }
    let patterns = if takes_rest && pattern.ends_with('/') {
        vec![format!("{pattern}**")]
    } else if takes_rest {
        vec![format!("{pattern}*"), format!("{pattern}*/**")]
    } else if pattern.ends_with("**") || pattern == "/" {
        vec![pattern]
    } else {
        let other = match pattern.strip_suffix('/') {
            Some(without) => without.to_owned(),
            None => format!("{pattern}/"),
        };
        vec![pattern, other]
    };
    are_patterns(&patterns).then_some(patterns)
}

/// What stands for itself in a template and in a regular expression, but for the dot.
fn is_plain(one: char) -> bool {
    one.is_ascii_alphanumeric() || "-_~.@:,!&'=".contains(one)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn are_patterns(patterns: &[String]) -> bool {
    patterns
        .iter()
        .all(|pattern| PathPattern::infer(pattern).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|one| (*one).to_owned()).collect()
    }

    #[test]
    fn templates_and_expressions_become_patterns() {
        for (path, expected) in [
            ("/pets", &["/pets", "/pets/"][..]),
            ("/pets/", &["/pets/", "/pets"]),
            ("/", &["/"]),
            ("/pets/{petId}", &["/pets/{petId}", "/pets/{petId}/"]),
            ("/files/{proxy+}", &["/files/**"]),
            ("/.*", &["/**"]),
            ("/test.*", &["/test*", "/test*/**"]),
            ("/a/{b}/.*", &["/a/{b}/**"]),
            ("/v1.2/x", &["/v1.2/x", "/v1.2/x/"]),
        ] {
            assert_eq!(patterns(path), Ok(texts(expected)), "{path}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_covered_whole_for_denying() {
        for (path, expected) in [
            ("/{proxy+}/x", "/**"),
            ("/a[0-9]", "/**"),
            ("/admin/[a-z]+", "/admin/**"),
            ("/admin/{id}/(a|b)", "/admin/{id}/**"),
            ("/pets/.+", "/pets/**"),
            ("/v.+", "/**"),
            ("/a*", "/**"),
            ("/a%20b", "/**"),
            ("/x;v=1", "/**"),
            ("pets", "/**"),
            ("", "/**"),
            ("/{a}b", "/**"),
            ("/é", "/**"),
            ("//x/[", "/**"),
        ] {
            assert_eq!(patterns(path), Err(texts(&[expected])), "{path}");
        }
    }
}
