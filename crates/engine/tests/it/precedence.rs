//! Which operation wins where several cover a request.

use portcullis_engine::{Progress, Question};
use portcullis_jose::{AwsLc, JsonObject};
use portcullis_model::{HeaderMap, Method, Source};
use proptest::prelude::*;

use crate::issuer::{Keys, NOW, decided, policy, request};

const OVERLAPS: &str = "
name: Overlaps
base_urls: [https://api.example.com]
operations:
  - { name: everything, paths: ['/**'], public: true }
  - { name: any item, paths: ['/items/{item}'], public: true }
  - { name: get item, methods: [GET], paths: ['/items/{item}'], public: true }
  - { name: late twin, paths: ['/items/*'], public: true }
  - { name: parts, paths: ['/items/{item}/parts'], public: true }
  - { name: any part, paths: ['/items/{item}/*'], public: true }
  - { name: exact, paths: [/items/special], public: true }
  - { name: exact put, methods: [PUT], paths: [/items/special], public: true }
  - { name: wild first, paths: ['/{kind}/special/parts'], public: true }
  - { name: deep, paths: ['/items/**'], public: true }
";

#[test]
fn the_documented_order() {
    let policy = policy(OVERLAPS);
    for (method, path, expected) in [
        ("GET", "/items/7", "get item"),
        ("POST", "/items/7", "any item"),
        ("GET", "/items/special", "exact"),
        ("PUT", "/items/special", "exact put"),
        ("GET", "/items/7/parts", "parts"),
        ("GET", "/items/7/other", "any part"),
        // The first segment decides before the second is looked at.
        ("GET", "/items/special/parts", "parts"),
        ("GET", "/other/special/parts", "wild first"),
        ("GET", "/items/a/b/c", "deep"),
        ("GET", "/items/", "late twin"),
        ("GET", "/elsewhere", "everything"),
        ("get", "/items/7", "any item"),
    ] {
        let mut request = request("GET", &format!("https://api.example.com{path}"), &[]);
        request.method = Method::parse(method).unwrap();
        let decision = decided(policy.decide(&request, &Keys::none(), NOW));
        assert_eq!(
            decision.trace.operation.as_deref(),
            Some(expected),
            "{method} {path}"
        );
    }
}

#[test]
fn a_template_stands_for_the_operation_that_decides_on_its_paths() {
    let policy = policy(OVERLAPS);
    for (method, route, expected) in [
        ("GET", "/items/{item}", "get item"),
        ("POST", "/items/{item}", "any item"),
        ("GET", "/items/*", "late twin"),
        ("GET", "/items/special", "exact"),
        ("PUT", "/items/special", "exact put"),
        ("GET", "/items/{item}/parts", "parts"),
        ("GET", "/{kind}/special/parts", "wild first"),
        ("GET", "/items/**", "deep"),
        ("GET", "/**", "everything"),
        // Parameters may be called otherwise.
        ("GET", "/items/{number}", "get item"),
        ("POST", "/items/{number}", "any item"),
        // No template of the policy, so a path, and one that a pattern covers.
        ("GET", "/items/{item", "get item"),
        ("GET", "/items/7", "get item"),
    ] {
        let question = Question {
            subject: "carl".to_owned(),
            claims: JsonObject::new(),
            method: Method::parse(method).unwrap(),
            route: route.to_owned(),
            service: None,
            headers: HeaderMap::new(),
            source: Source::default(),
        };
        let decision = policy.evaluate(&question, &AwsLc, NOW);
        assert_eq!(
            decision.trace.operation.as_deref(),
            Some(expected),
            "{method} {route}"
        );
    }
}

#[test]
fn the_deepest_pattern() {
    // 2048 characters is the most that a pattern may have.
    let pattern = "/a".repeat(1022) + "/{x}";
    let service = format!(
        "name: S\nbase_urls: [https://api.example.com]\noperations: [{{ name: deep, paths: ['{pattern}'], public: true }}]\n"
    );
    let policy = policy(&service);
    for (path, operation) in [("/a".repeat(1023), Some("deep")), ("/a".repeat(8000), None)] {
        let request = request("GET", &format!("https://api.example.com{path}"), &[]);
        let decision = decided(policy.decide(&request, &Keys::none(), NOW));
        assert_eq!(decision.trace.operation.as_deref(), operation);
    }
}

/// A matcher that is slow and follows docs/policy-directory.md word by word, to compare with.
mod by_the_book {
    /// Whether a pattern without escapes covers a path: character by character, trying everything.
    pub(super) fn covers(pattern: &[u8], path: &[u8]) -> bool {
        match pattern {
            [] => path.is_empty(),
            [b'*', b'*'] => true,
            [b'*', rest @ ..] => (0..=path.len())
                .take_while(|taken| !path[..*taken].contains(&b'/'))
                .any(|taken| covers(rest, &path[taken..])),
            [b'{', rest @ ..] => {
                let end = rest.iter().position(|byte| *byte == b'}').unwrap();
                let segment = path
                    .iter()
                    .position(|byte| *byte == b'/')
                    .unwrap_or(path.len());
                segment > 0 && covers(&rest[end + 1..], &path[segment..])
            }
            [literal, rest @ ..] => path.first() == Some(literal) && covers(rest, &path[1..]),
        }
    }

    /// The number of the operation that wins.
    pub(super) fn winner(operations: &[(bool, String)], get: bool, path: &str) -> Option<usize> {
        let literal = |segment: &str| !segment.contains(['*', '{']);
        let mut winner: Option<usize> = None;
        for (number, (only_get, pattern)) in operations.iter().enumerate() {
            if (*only_get && !get) || !covers(pattern.as_bytes(), path.as_bytes()) {
                continue;
            }
            let better = winner.is_none_or(|other| {
                let (other_only_get, other_pattern) = &operations[other];
                let rank = |pattern: &str| {
                    let segments: Vec<bool> = pattern.split('/').map(literal).collect();
                    let exact = segments.iter().all(|literal| *literal);
                    // Segments that one of the two does not have are no literals.
                    (
                        exact,
                        (0..12)
                            .map(|at| segments.get(at) == Some(&true))
                            .collect::<Vec<_>>(),
                    )
                };
                (rank(pattern), only_get) > (rank(other_pattern), other_only_get)
            });
            if better {
                winner = Some(number);
            }
        }
        winner
    }
}

fn any_pattern() -> impl Strategy<Value = String> {
    let segment = prop_oneof!["[ab]{1,2}", "[ab]?\\*[ab]?", Just("{p}".to_owned())];
    (prop::collection::vec(segment, 1..4), any::<bool>()).prop_map(|(segments, open)| {
        // Parameters of one pattern have names of their own.
        let named = segments
            .iter()
            .enumerate()
            .map(|(at, segment)| segment.replace("{p}", &format!("{{p{at}}}")));
        let pattern = named
            .map(|segment| ["/", &segment].concat())
            .collect::<String>();
        if open { pattern + "/**" } else { pattern }
    })
}

proptest! {
    #[test]
    fn the_index_finds_what_the_book_says(
        operations in prop::collection::vec((any::<bool>(), any_pattern()), 1..8),
        requests in prop::collection::vec((any::<bool>(), "(/[ab]{0,2}){1,4}"), 1..8),
    ) {
        let mut service = "name: S\nbase_urls: [https://api.example.com]\noperations:\n".to_owned();
        for (number, (only_get, pattern)) in operations.iter().enumerate() {
            let methods = if *only_get { "methods: [GET], " } else { "" };
            service += &["  - { name: o", &number.to_string(), ", ", methods, "paths: ['", pattern, "'], public: true }\n"].concat();
        }
        let policy = policy(&service);
        for (get, path) in &requests {
            // Requests with empty segments are refused before matching.
            if path.contains("//") {
                continue;
            }
            let method = if *get { "GET" } else { "PUT" };
            let request = request(method, &format!("https://api.example.com{path}"), &[]);
            let expected = by_the_book::winner(&operations, *get, path).map(|number| format!("o{number}"));
            let found = match policy.decide(&request, &Keys::none(), NOW) {
                Progress::Decided(decision) => decision.trace.operation,
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(found.as_deref(), expected.as_deref(), "{} {}", method, path);
        }
    }
}
