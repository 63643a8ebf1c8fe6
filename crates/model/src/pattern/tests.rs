//! What path patterns match, which are refused, and which of two is narrower.

use proptest::prelude::*;

use super::*;

fn parse(pattern: &str) -> PathPattern {
    PathPattern::infer(pattern).unwrap()
}

#[test]
fn matches_as_the_reference_says() {
    for (pattern, path, expected) in [
        ("/planets", "/planets", true),
        ("/planets", "/planets/", false),
        ("/planets", "/Planets", false),
        ("/moons/{moon}", "/moons/io", true),
        ("/moons/{moon}", "/moons/", false),
        ("/moons/{moon}", "/moons", false),
        ("/moons/{moon}", "/moons/io/craters", false),
        ("/api/v1/users/*/answers", "/api/v1/users/7/answers", true),
        (
            "/api/v1/users/*/answers",
            "/api/v1/users/7/8/answers",
            false,
        ),
        ("/files/*.txt", "/files/a.txt", true),
        ("/files/*.txt", "/files/.txt", true),
        ("/files/*.txt", "/files/a.txt.exe", false),
        ("/files/a*b*c", "/files/aXbXbXc", true),
        ("/files/a*b*c", "/files/acb", false),
        ("/files/*", "/files/", true),
        ("/files/*", "/files/a/b", false),
        ("/files/**", "/files/a/b", true),
        ("/files/**", "/files/", true),
        ("/files/**", "/files", false),
        ("/files/a**", "/files/abc/d", true),
        ("/files/a**", "/files/b/a", false),
        ("/files/a*b**", "/files/axxb/d", true),
        ("/files/a*b**", "/files/a/b", false),
        ("/**", "/", true),
        ("/**", "/anything/at/all", true),
        ("/a\\*b", "/a*b", true),
        ("/a\\*b", "/axb", false),
        ("/\\{x\\}/*", "/{x}/y", true),
        ("/ümlaut/{ö}", "/ümlaut/x", true),
        ("/{a}/{b}", "/x/y", true),
        ("/", "/", true),
    ] {
        assert_eq!(
            parse(pattern).matches(path),
            expected,
            "{pattern} on {path}"
        );
    }
}

#[test]
fn captures_whole_segments() {
    assert_eq!(
        parse("/{a}/x/{b}").captures("/1/x/2"),
        Some(vec![("a", "1"), ("b", "2")])
    );
    assert_eq!(parse("/planets").captures("/planets"), Some(vec![]));
    assert_eq!(parse("/{a}").captures("/1/2"), None);
}

#[test]
fn refuses_what_the_reference_refuses() {
    use InvalidPattern::*;
    for (pattern, why) in [
        ("planets", NoLeadingSlash),
        ("", NoLeadingSlash),
        ("/a//b", UnreachableSegment),
        ("/a/../b", UnreachableSegment),
        ("/a/./b", UnreachableSegment),
        ("/part1{part2}", PartialParameter),
        ("/{part1}part2", PartialParameter),
        ("/{a{b}}", PartialParameter),
        ("/{a", PartialParameter),
        ("/a}", PartialParameter),
        ("/{}", EmptyParameter),
        ("/{a}/{a}", DuplicateParameter { name: "a".into() }),
        ("/**/x", AfterDoubleWildcard),
        ("/a**b", AfterDoubleWildcard),
        ("/***", AfterDoubleWildcard),
        ("/a\\b", UnknownEscape),
        ("/a\\", UnknownEscape),
        ("/a\u{1}", Control),
    ] {
        assert_eq!(PathPattern::infer(pattern), Err(why), "{pattern}");
    }
    assert_eq!(PathPattern::parameter("/planets"), Err(NoParameter));
    assert_eq!(
        PathPattern::infer(&format!("/{}", "x".repeat(2048))),
        Err(TooLong)
    );
}

#[test]
fn an_exact_pattern_is_verbatim() {
    let exact = PathPattern::exact("/a/{b}/*").unwrap();
    assert!(exact.matches("/a/{b}/*"));
    assert!(!exact.matches("/a/x/y"));
}

#[test]
fn the_narrower_pattern_wins() {
    let order = [
        "/**", "/{a}/{b}", "/a/{b}", "/a/{b}/c", "/a/b/{c}", "/a/b/c",
    ];
    for pair in order.windows(2) {
        assert!(
            parse(pair[0]).specificity() <= parse(pair[1]).specificity(),
            "{pair:?}"
        );
    }
    assert_eq!(parse("/{a}").specificity(), parse("/**").specificity());
}

proptest! {
    #[test]
    fn never_panics(pattern in "\\PC{0,24}", path in "/\\PC{0,24}") {
        if let Ok(pattern) = PathPattern::infer(&pattern) {
            prop_assert_eq!(pattern.matches(&path), pattern.captures(&path).is_some());
        }
    }

    #[test]
    fn a_star_never_crosses_a_slash(before in "[a-c]{0,3}", after in "[a-c]{0,3}", path in "/[a-c/]{0,8}") {
        let pattern = parse(&format!("/{before}*{after}"));
        if pattern.matches(&path) {
            prop_assert_eq!(path.matches('/').count(), 1);
        }
    }

    #[test]
    fn an_escaped_literal_matches_only_itself(literal in "[a-z*{}\\\\]{1,8}", other in "[a-z*{}\\\\]{1,8}") {
        let escaped: String = literal.chars().flat_map(|c| {
            "*{}\\".contains(c).then_some('\\').into_iter().chain([c])
        }).collect();
        let pattern = parse(&format!("/{escaped}"));
        let own_path = format!("/{literal}");
        let other_path = format!("/{other}");
        prop_assert!(pattern.matches(&own_path));
        prop_assert_eq!(pattern.matches(&other_path), literal == other);
    }
}
