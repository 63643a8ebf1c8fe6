//! The paths of a configuration as path patterns.

use portcullis_model::PathPattern;

/// The patterns that cover what a path of a configuration covers; `None` for one that cannot be said in patterns.
///
/// A path is a template with `{parameters}`, of which `{name+}` takes the rest, as API Gateway writes it; or it ends
/// in `.*`, which takes whatever follows, as the regular expression that it is.
#[must_use]
pub fn patterns(path: &str) -> Option<Vec<String>> {
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
        match segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix("+}"))
        {
            // Nothing can follow what takes the rest.
            Some(_) if number == last && !takes_rest => pattern.push_str("**"),
            Some(_) => return None,
            // What else a regular expression could hold is no path.
            None if segment.contains(['*', '^', '$', '[', ']', '(', ')', '|', '?', '\\']) => {
                return None;
            }
            None => pattern.push_str(segment),
        }
    }
    let patterns = match (takes_rest, pattern.ends_with('/')) {
        (false, _) => vec![pattern],
        (true, true) => vec![format!("{pattern}**")],
        (true, false) => vec![format!("{pattern}*"), format!("{pattern}*/**")],
    };
    let valid = |pattern: &String| PathPattern::infer(pattern).is_ok();
    patterns.iter().all(valid).then_some(patterns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_and_expressions_become_patterns() {
        for (path, expected) in [
            ("/pets", Some(vec!["/pets"])),
            ("/", Some(vec!["/"])),
            ("/pets/{petId}", Some(vec!["/pets/{petId}"])),
            ("/files/{proxy+}", Some(vec!["/files/**"])),
            ("/.*", Some(vec!["/**"])),
            ("/test.*", Some(vec!["/test*", "/test*/**"])),
            ("/a/{b}/.*", Some(vec!["/a/{b}/**"])),
            ("/{proxy+}/x", None),
            ("/a[0-9]", None),
            ("/a*", None),
            ("/(a|b)", None),
            ("pets", None),
            ("", None),
            ("/{a}b", None),
        ] {
            let expected = expected.map(|list| list.into_iter().map(str::to_owned).collect());
            assert_eq!(patterns(path), expected, "{path}");
        }
    }
}
