//! Which operation wins where several cover a request.

use portcullis_model::Method;

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
