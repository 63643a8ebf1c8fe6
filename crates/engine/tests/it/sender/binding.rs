//! What a token is bound to beside DPoP keys (RFC 8705), and the rule that asks for it.

use portcullis_engine::{IssuerUrl, Profile, TokenIssuer, sender_finding};
use portcullis_model::ClientCertificate;
use serde_json::{Value, json};

use super::{Client, Desk, URL, bound, call, challenge, outcome, service, vector};
use crate::issuer::{ISSUER, Issuer, Keys, NOW, claims, decided, policy, request};

#[test]
fn a_certificate_has_to_be_the_one() {
    let issuer = Issuer::new("k1");
    let vector = vector("rfc8705_appendix_a");
    let pem = vector["certificate_pem"].as_str().unwrap();
    let thumbprint = vector["x5t#S256"].clone();
    let token = bound(&issuer, &json!({ "x5t#S256": thumbprint }));
    let policy = service("", "");
    let decide = |token: &str, pem: Option<&str>| {
        let mut request = call("Bearer", token, &[]);
        request.client_certificate = pem.map(|pem| ClientCertificate {
            pem: pem.to_owned(),
        });
        outcome(&decided(policy.decide(&request, &Desk::new(&issuer), NOW)))
    };
    assert_eq!(decide(&token, Some(pem)), "permit");
    // The client's certificate is the first.
    let other = pem.replace("MIIBBj", "MIIBBz");
    assert_eq!(decide(&token, Some(&format!("{pem}{other}"))), "permit");
    for wrong in [
        None,
        Some(""),
        Some("certificate"),
        Some(other.as_str()),
        Some(&format!("{other}{pem}")),
        Some(&pem.replace("CERTIFICATE", "PUBLIC KEY")),
    ] {
        assert_eq!(
            decide(&token, wrong),
            "401 sender_constraint_unmet",
            "{wrong:?}"
        );
    }
    // Bound twice is proved twice.
    let client = Client::new();
    let twice = bound(
        &issuer,
        &json!({ "x5t#S256": thumbprint, "jkt": client.jkt() }),
    );
    assert_eq!(decide(&twice, Some(pem)), "401 sender_constraint_unmet");
    let proof = client.proof(&twice);
    let mut request = call("DPoP", &twice, &[&proof]);
    assert_eq!(
        outcome(&decided(policy.decide(&request, &Desk::new(&issuer), NOW))),
        "401 sender_constraint_unmet"
    );
    request.client_certificate = Some(ClientCertificate {
        pem: pem.to_owned(),
    });
    assert_eq!(
        outcome(&decided(policy.decide(&request, &Desk::new(&issuer), NOW))),
        "permit"
    );
}

#[test]
fn what_cannot_be_checked_is_refused() {
    let issuer = Issuer::new("k1");
    let policy = service("", "");
    for cnf in [
        json!({}),
        json!(null),
        json!("x"),
        json!([]),
        json!({ "jwk": {} }),
        json!({ "jkt": 1 }),
        json!({ "jkt": "" }),
        json!({ "jkt": "a", "kid": "b" }),
        json!({ "x5t#S256": null }),
    ] {
        let token = bound(&issuer, &cnf);
        for scheme in ["Bearer", "DPoP"] {
            let decision =
                decided(policy.decide(&call(scheme, &token, &[]), &Desk::new(&issuer), NOW));
            assert_eq!(outcome(&decision), "401 sender_constraint_unmet", "{cnf}");
        }
        // Whoever asks about the sender alone is not told that anybody may send it, either.
        let Value::Object(claims) = json!({ "cnf": cnf }) else {
            unreachable!()
        };
        let trusted = IssuerUrl::parse(ISSUER).unwrap();
        let trusted = TokenIssuer::new(trusted, Vec::new(), Profile::Rfc9068);
        let call = call("Bearer", &token, &[]);
        let finding = sender_finding(&claims, &trusted, &call, &Desk::new(&issuer), NOW);
        assert!(finding.is_some(), "{cnf}");
    }
}

#[test]
fn an_operation_may_ask_for_a_bound_token() {
    let (issuer, client) = (Issuer::new("k1"), Client::new());
    let pem = vector("rfc8705_appendix_a");
    let dpop = bound(&issuer, &json!({ "jkt": client.jkt() }));
    let mtls = bound(&issuer, &json!({ "x5t#S256": pem["x5t#S256"] }));
    let proof = client.proof(&dpop);
    for (rule, open, scheme) in [
        ("dpop", [false, true, false], "DPoP "),
        ("mtls", [false, false, true], "Bearer "),
        ("any", [false, true, true], "Bearer "),
    ] {
        let policy = service(&format!(", rules: {{ sender_constraint: {rule} }}"), "");
        let mut with_certificate = call("Bearer", &mtls, &[]);
        with_certificate.client_certificate = Some(ClientCertificate {
            pem: pem["certificate_pem"].as_str().unwrap().to_owned(),
        });
        let requests = [
            call("Bearer", &issuer.token(""), &[]),
            call("DPoP", &dpop, &[&proof]),
            with_certificate,
        ];
        for (request, open) in requests.iter().zip(open) {
            let decision = decided(policy.decide(request, &Desk::new(&issuer), NOW));
            let expected = if open {
                "permit"
            } else {
                "401 sender_constraint_unmet"
            };
            assert_eq!(outcome(&decision), expected, "{rule}");
        }
        let decision = decided(policy.decide(&request("GET", URL, &[]), &Desk::new(&issuer), NOW));
        assert!(challenge(&decision).starts_with(scheme), "{rule}");
    }
}

#[test]
fn the_leeway_of_an_issuer_is_a_setting() {
    let issuer = Issuer::new("k1");
    for (leeway, seconds) in [("", 5), (", leeway: 0", 0), (", leeway: 300", 300)] {
        let policy = service("", leeway);
        let decide = |change: Value| {
            let mut claims = claims("");
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
            let token = issuer.sign(&issuer.header(), &claims);
            outcome(&decided(policy.decide(
                &call("Bearer", &token, &[]),
                &Desk::new(&issuer),
                NOW,
            )))
        };
        assert_eq!(decide(json!({ "exp": NOW - seconds + 1 })), "permit");
        assert_eq!(decide(json!({ "exp": NOW - seconds })), "401 token_expired");
        for name in ["iat", "nbf"] {
            assert_eq!(decide(json!({ name: NOW + seconds })), "permit");
            assert_eq!(
                decide(json!({ name: NOW + seconds + 1 })),
                "401 token_not_yet_valid"
            );
        }
    }
}

#[test]
fn challenges_say_where_the_metadata_is() {
    let text = format!(
        "name: S\nbase_urls: [https://api.example.com/v1]\nresource_metadata: true\ntokens: [{{ issuer: {ISSUER}, audiences: [a] }}]\n\
         operations:\n  - {{ name: p, paths: [/p], rules: {{ scopes: {{ any_of: [b, a] }}, sender_constraint: dpop }} }}\n  \
         - {{ name: q, paths: [/q], public: true }}\n"
    );
    let policy = policy(&text);
    let request = request("GET", "https://api.example.com/v1/p", &[]);
    let decision = decided(policy.decide(&request, &Keys::none(), NOW));
    let url = "https://api.example.com/.well-known/oauth-protected-resource/v1";
    assert!(challenge(&decision).contains(&format!("resource_metadata=\"{url}\"")));
    let metadata = portcullis_engine::resource_metadata(&policy.services()[0]).unwrap();
    assert_eq!(metadata.url, url);
    insta::assert_snapshot!(serde_json::to_string_pretty(&metadata).unwrap(), @r#"
    {
      "resource": "https://api.example.com/v1",
      "resource_name": "S",
      "authorization_servers": [
        "https://idp.example.com/oauth2/default"
      ],
      "scopes_supported": [
        "a",
        "b"
      ],
      "bearer_methods_supported": [
        "header"
      ],
      "dpop_signing_alg_values_supported": [
        "ES256",
        "ES384",
        "ES512",
        "ES256K",
        "Ed25519",
        "EdDSA",
        "PS256",
        "PS384",
        "PS512",
        "RS256",
        "RS384",
        "RS512"
      ],
      "dpop_bound_access_tokens_required": true
    }
    "#);
}
