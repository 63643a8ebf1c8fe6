//! What people read when a policy is wrong.

use portcullis_engine::compile;

use crate::issuer::source;

fn problems(files: &[(&str, &str)]) -> String {
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| source(path, text))
        .collect();
    compile(&files, &[])
        .err()
        .map(|problems| problems.to_string())
        .unwrap_or_default()
}

#[test]
fn an_unknown_key_suggests_the_nearest() {
    insta::assert_snapshot!(problems(&[(
        "services/a.yaml",
        "name: A\nbase_urls: [https://a.example]\noperations:\n  - name: x\n    paths: [/x]\n    rules:\n      scope: { any_of: [a] }\n",
    )]), @r#"services/a.yaml:7:7: unknown key "scope"; did you mean "scopes"?"#);
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    insta::assert_snapshot!(problems(&[
        (
            "services/a.yaml",
            "name: A
base_urls: [https://a.example, https://a.example/v1/, ftp://a]
tokens:
  - { issuer: http://idp.example.com, audiences: [x], profile: octa }
unmatched: allow
operations:
  - name: one
    methods: [get, GET, GET]
    paths: [planets, '/a{b}', /ok, /caf%C3%A9, '/a;b', '/q?x']
    rules:
      scopes: { any_of: ['two words'] }
      authentication: { max_age: 0 }
  - name: one
    paths: [/x]
    public: true
    rules: { groups: { any_of: [g] } }
    policy: moons.rego
",
        ),
        ("services/b.yaml", "name: A\nbase_urls: ['https://a.example:443']\noperations: [{ name: x, paths: [/x], public: true }]\n"),
        ("services/c.yaml", "name: C\n"),
        ("services/d.yaml", "name: D\nbase_urls: []\n"),
        ("services/e.YAML", "name: E\n"),
        ("services/more/f.yaml", "name: F\n"),
        ("portcullis.yaml", "{}"),
        ("portcullis.yml", "{}"),
        ("policies/moons.rego", "package acp.authz"),
    ]), @r#"
    services/d.yaml:2:12: an empty list; leave the key out if there is nothing to list
    services/e.YAML: not a file that is read; API services are files services/<name>.yaml, policies are files policies/<name>.<language>; a name with a dot before it is left alone
    services/more/f.yaml: not a file that is read; API services are files services/<name>.yaml, policies are files policies/<name>.<language>; a name with a dot before it is left alone
    portcullis.yml: there is portcullis.yaml too; keep one of the two
    services/a.yaml:2:32: base URL "https://a.example/v1/": a base URL does not end in "/"
    services/a.yaml:2:55: base URL "ftp://a": the URL's scheme is neither http nor https
    services/a.yaml:4:64: "octa" is no value of "profile"; did you mean "okta"?
    services/a.yaml:4:15: issuer "http://idp.example.com": an issuer is an https URL; http is accepted on localhost, 127.0.0.1 and [::1] only
    services/a.yaml:5:12: "allow" is no value of "unmatched"; expected one of deny, token, open
    services/a.yaml:8:14: method get is not in upper case, and methods are case-sensitive; write GET
    services/a.yaml:8:14: method GET stands twice
    services/a.yaml:9:13: path "planets": a path pattern starts with "/"; it is relative to the base URL of its API service
    services/a.yaml:9:22: path "/a{b}": "{name}" takes a whole segment; write "\{" or "\}" for a brace that is meant as one
    services/a.yaml:9:36: path "/caf%C3%A9": patterns are compared with the decoded path; write the character itself, such as "é" for "%C3%A9"
    services/a.yaml:9:48: path "/a;b": requests with a semicolon or a backslash in the path are refused before matching
    services/a.yaml:9:56: path "/q?x": the query is not part of the path
    services/a.yaml:11:15: "two words" is not one scope: no spaces, quotes or backslashes (RFC 6749 section 3.3)
    services/a.yaml:12:23: max_age is a number of seconds greater than 0
    services/a.yaml:13:11: operation "one" stands twice
    services/a.yaml:15:13: a public operation cannot have rules or a policy: nobody would be asked for a token
    services/b.yaml:1:7: the name "A" is taken by the service in services/a.yaml
    services/b.yaml:2:13: base URL "https://a.example:443" is taken by the service in services/a.yaml
    services/c.yaml:1:7: the service has neither base_urls nor aws, so no request can reach it
    services/c.yaml:1:7: the service asks for tokens but names no issuer under "tokens"
    policies/moons.rego: this program cannot run policies of that language; it runs yaml
    "#);
}

#[test]
fn syntax_errors_have_a_place() {
    insta::assert_snapshot!(problems(&[("services/a.yaml", "name: A\nbase_urls: [https://a.example\n")]), @"services/a.yaml:2:12: unclosed bracket '['");
    insta::assert_snapshot!(problems(&[("services/a.yaml", "name: [A]\n")]), @"services/a.yaml:1:7: expected string scalar");
    insta::assert_snapshot!(problems(&[("services/a.yaml", "base_urls: [https://a.example]\n")]), @r#"services/a.yaml:1:1: key "name" is missing"#);
    insta::assert_snapshot!(problems(&[]), @"services: the policy directory has no API service; write one into services/<name>.yaml");
}

#[test]
fn shared_issuers_serve_services_that_name_none() {
    let root = "tokens: [{ issuer: https://idp.example.com, audiences: [x] }]\n";
    let service =
        "name: A\nbase_urls: [https://a.example]\noperations: [{ name: x, paths: [/x] }]\n";
    assert_eq!(
        problems(&[("portcullis.yaml", root), ("services/a.yaml", service)]),
        ""
    );
    insta::assert_snapshot!(problems(&[("services/a.yaml", service)]), @r#"services/a.yaml:1:7: the service asks for tokens but names no issuer under "tokens""#);
}

/// Nothing behind a key must never mean less than the key does.
#[test]
fn an_empty_value_never_weakens_a_rule() {
    let operation = |keys: &str| {
        format!(
            "name: A\nbase_urls: [https://a.example]\n\
             tokens: [{{ issuer: https://idp.example.com, audiences: [x] }}]\n\
             operations:\n  - name: x\n    paths: [/x]\n{keys}"
        )
    };
    for keys in [
        "    rules:\n",
        "    rules: ~\n",
        "    rules: ''\n",
        "    rules: []\n",
        "    rules: {}\n",
        "    rules:\n      scopes:\n",
        "    rules:\n      scopes: {}\n",
        "    rules:\n      scopes: []\n",
        "    rules:\n      scopes: { any_of: }\n",
        "    rules:\n      scopes: { any_of: [] }\n",
        "    rules:\n      scopes: { any_of: [''] }\n",
        "    rules:\n      scopes: { any_of: [~] }\n",
        "    rules:\n      scopes: { any_of: a b }\n",
        "    rules:\n      groups:\n",
        "    rules:\n      groups: { any_of: }\n",
        "    rules:\n      authentication:\n",
        "    rules:\n      sender_constraint:\n",
        "    rules:\n      authentication: {}\n",
        "    rules:\n      authentication: { acr_values: }\n",
        "    rules:\n      authentication: { max_age: }\n",
        "    rules:\n      authentication: { acr_values: ['a b'] }\n",
        "    rules:\n      authentication: { max_age: -1 }\n",
        "    policy:\n",
        "    methods:\n",
        "    methods: []\n",
        "    methods: ~\n",
        "    public:\n",
        "    public: yes\n",
        "    public: 1\n",
    ] {
        let text = operation(keys);
        assert_ne!(problems(&[("services/a.yaml", &text)]), "", "{keys}");
    }
    assert_eq!(problems(&[("services/a.yaml", &operation(""))]), "");
    for (key, text) in [
        ("unmatched", operation("") + "unmatched:\n"),
        ("tokens", operation("") + "tokens:\n"),
        (
            "operations",
            operation("").replace("operations:", "operations: ~\nx:"),
        ),
        ("audiences", operation("").replace("[x]", "~")),
        ("audiences", operation("").replace("[x]", "['']")),
        ("paths", operation("").replace("[/x]", "~")),
        (
            "no tokens",
            operation("").replace(
                "tokens: [{ issuer: https://idp.example.com, audiences: [x] }]",
                "tokens: []",
            ),
        ),
        (
            "no scopes",
            operation("    rules: { scopes: { any_of: [], all_of: [g] } }\n"),
        ),
        (
            "no acr",
            operation("    rules: { authentication: { acr_values: [], max_age: 5 } }\n"),
        ),
        ("merge", operation("    <<: { public: true }\n")),
        ("case", operation("    Public: true\n")),
    ] {
        assert_ne!(problems(&[("services/a.yaml", &text)]), "", "{key}");
    }
}

#[test]
fn an_unknown_key_is_shown_without_its_control_characters() {
    let text = "name: S\nbase_urls: [https://api.example.com]\n\"a\\tb\\e[31m\": 1\n";
    let problems = compile(&[source("services/s.yaml", text)], &[]).unwrap_err();
    let [problem] = problems.0.as_slice() else {
        panic!("{problems}");
    };
    assert_eq!(problem.message, r#"unknown key "a\tb\u{1b}[31m""#);
}
