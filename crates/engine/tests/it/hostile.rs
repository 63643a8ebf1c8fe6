//! Requests and policies that try to get past.

use proptest::prelude::*;

use crate::issuer::{Issuer, Keys, NOW, decided, policy, request, source, summary};

const GUARDED: &str = "
name: Guarded
base_urls: [https://api.example.com/v1]
tokens: [{ issuer: https://idp.example.com/oauth2/default, audiences: [api://default] }]
operations:
  - { name: Open, paths: [/open/**], public: true }
  - { name: Closed, paths: ['/closed/**', /closed], rules: { scopes: { any_of: [closed] } } }
";

#[test]
fn no_spelling_of_a_path_opens_what_is_closed() {
    let policy = policy(GUARDED);
    for path in [
        "/v1/open/../closed/x",
        "/v1/open/%2e%2e/closed/x",
        "/v1/open/%2E%2E/closed/x",
        "/v1/open/..%2fclosed/x",
        "/v1/open/..%2Fclosed/x",
        "/v1/open/..%252fclosed/x",
        "/v1/open/..;/closed/x",
        "/v1/open//../closed/x",
        "/v1//open/x",
        "/v1/open/%00",
        "/v1/open\\..\\closed",
        "/v1/open/%5c..%5cclosed",
        "/v1/o%70en/x",
        "/v1/%63losed/x",
    ] {
        let request = request("GET", &format!("https://api.example.com{path}"), &[]);
        let decision = decided(policy.decide(&request, &Keys::none(), NOW));
        assert!(
            summary(&decision).starts_with("400 ambiguous_path"),
            "{path}: {}",
            summary(&decision)
        );
    }
}

#[test]
fn only_the_base_url_counts() {
    let policy = policy(GUARDED);
    for (url, expected) in [
        ("https://api.example.com/v1/open/x", "permit public"),
        ("https://API.example.com:443/v1/open/x?y", "permit public"),
        ("http://api.example.com/v1/open/x", "404 no_service"),
        ("https://api.example.com:444/v1/open/x", "404 no_service"),
        ("https://api.example.com.evil/v1/open/x", "404 no_service"),
        ("https://api.example.com/open/x", "404 no_service"),
        ("https://api.example.com/v10/open/x", "404 no_service"),
        ("https://api.example.com/V1/open/x", "404 no_service"),
    ] {
        let decision = decided(policy.decide(&request("GET", url, &[]), &Keys::none(), NOW));
        assert_eq!(summary(&decision), expected, "{url}");
    }
}

#[test]
fn hostile_yaml_is_refused_quickly() {
    let bomb = {
        let mut text = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (from, to) in ('a'..'i').zip('b'..'j') {
            let aliases = vec![format!("*{from}"); 10].join(",");
            text.extend([format!("{to}: &{to} [{aliases}]\n")]);
        }
        text
    };
    let deep = format!("name: {}", "[".repeat(100_000));
    for text in [
        bomb.as_str(),
        &deep,
        "\0",
        "name: \"",
        "- a",
        "",
        "name: x\nname: y",
        "%YAML 9",
        "name: &a *a",
    ] {
        assert!(
            portcullis_engine::compile(&[source("services/s.yaml", text)], &[]).is_err(),
            "{} bytes",
            text.len()
        );
    }
}

proptest! {
    /// Whatever the path, a request without a token is permitted only below /v1/open/.
    #[test]
    fn nothing_without_a_token_leaves_the_open_part(path in "(/(v1|open|closed|[a-z%./;\\\\]{0,4})){0,5}") {
        let Ok(url) = portcullis_model::RequestUrl::parse(&format!("https://api.example.com{path}")) else { return Ok(()) };
        let mut request = request("GET", "https://api.example.com/", &[]);
        request.url = url;
        let decision = decided(policy(GUARDED).decide(&request, &Keys::none(), NOW));
        prop_assert_eq!(decision.is_permit(), decision.reason.code.as_str() == "public");
        if decision.is_permit() {
            prop_assert!(path.starts_with("/v1/open/"), "{}", path);
            prop_assert!(!path.contains("..") || !path.contains("/../"), "{}", path);
        }
    }

    /// Arbitrary text in place of a token never gets through, and never makes the engine panic.
    #[test]
    fn arbitrary_tokens_are_refused(authorization in "\\PC{0,200}") {
        let issuer = Issuer::new("k1");
        let mut headers = portcullis_model::HeaderMap::new();
        if headers.append("authorization", &authorization).is_ok() {
            let mut request = request("GET", "https://api.example.com/v1/closed", &[]);
            request.headers = headers;
            let decision = decided(policy(GUARDED).decide(&request, &Keys::of(&[&issuer]), NOW));
            prop_assert!(!decision.is_permit());
        }
    }

    /// Arbitrary policy text never makes the compiler panic.
    #[test]
    fn arbitrary_policies_do_not_panic(text in "(?s).{0,300}") {
        let _ = portcullis_engine::compile(&[source("services/s.yaml", &text)], &[]);
    }
}
