//! A bundle whose policies are in Rego.

use std::fs;
use std::sync::Arc;

use portcullis_authorizer::{Environment, Languages, Settings};
use portcullis_engine::{PolicyLanguage, SourceFile};
use portcullis_pdp::bundle::Bundle;
use portcullis_pdp::clock::{Clock, SystemClock};
use portcullis_policies::Rego;
use portcullis_test_support::issuer::Issuer;

use crate::support::{decided, function};

const SILVER: &str =
    "package acp.authz\nallow if \"silver\" in split(input.authn_ctx.scope, \" \")\n";

fn bundle(issuer: &Issuer, policy: &str) -> Bundle {
    let service = format!(
        "name: S\naws: [{{ api_id: abc, stage: prod }}]\ntokens: [{{ issuer: \"{}\", audiences: [api] }}]\noperations:\n  \
         - {{ name: planets, methods: [GET], paths: [/planets], policy: p.rego }}\n",
        issuer.url()
    );
    let file = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let files = [
        file("services/s.yaml", &service),
        file("policies/p.rego", policy),
    ];
    let languages: [Arc<dyn PolicyLanguage>; 1] = [Arc::new(Rego)];
    let mut bundle = Bundle::new(&files, &languages).unwrap();
    let keys = serde_json::from_str(issuer.jwks()).unwrap();
    bundle.keys.insert(issuer.url().to_owned(), keys);
    bundle
}

#[test]
fn a_bundle_with_rego_decides_in_this_function_and_is_refused_by_the_other() {
    let issuer = Issuer::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    fs::write(&file, bundle(&issuer, SILVER).to_json()).unwrap();
    let place = format!("file:{}", file.display());
    let mut with_rego = function(&[("PORTCULLIS_BUNDLE", &place)]);
    for (scope, outcome) in [
        ("silver", (true, "permitted")),
        ("bronze", (false, "denied_by_policy")),
    ] {
        let token = issuer.token("api", scope, SystemClock.unix_now());
        let (allowed, reason) = decided(&mut with_rego, "/planets", Some(&token));
        assert_eq!((allowed, reason.as_str()), outcome, "{scope}");
    }

    let environment = Environment::from([("PORTCULLIS_BUNDLE", place.as_str())]);
    let error = Settings::with_languages(&environment, Languages::NONE).unwrap_err();
    assert!(
        error.to_string().contains("deploy bootstrap-rego"),
        "{error}"
    );
}
