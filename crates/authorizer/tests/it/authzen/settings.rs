//! The settings with which an AuthZEN decision point is asked.

use portcullis_authorizer::{AuthzenSource, DecisionPointSettings, Environment, Secret, Settings};
use serde_json::json;

use super::{PERMIT, ROUTES, answering, function, json_answer, token};
use crate::support::{CREDENTIAL, allows, check_log, event};
use crate::wire::Wire;

fn parse(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let good = [
        ("AUTHZEN_PDP_URL", "https://pdp.example.com/tenant1"),
        ("PORTCULLIS_ISSUER", "https://idp.example.com"),
        ("PORTCULLIS_AUDIENCE", "api"),
    ];
    let all = good.iter().chain(variables);
    let all = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_environment(&all.collect::<Environment>()).map_err(|error| error.to_string())
}

fn authzen(settings: Settings) -> AuthzenSource {
    match settings.decision_point {
        DecisionPointSettings::Authzen(source) => *source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn good_settings_are_taken() {
    let source = authzen(parse(&[]).unwrap());
    assert!(source.credential.is_none() && !source.service.discovery);
    assert_eq!(source.service.credential_header, "Authorization");
    assert_eq!(source.service.max_retries, 1);
    for more in [
        &[("SECRET_HEADER_VALUE", "Bearer s3cret")][..],
        &[(
            "SECRET_HEADER_VALUE_ARN",
            "arn:aws:ssm:us-east-1:1:parameter/x",
        )],
        &[("PORTCULLIS_SCOPES", ROUTES), ("PORTCULLIS_PATHS", "any")],
        &[
            ("AUTHZEN_SUBJECT_CLAIMS", "groups, scope"),
            ("AUTHZEN_DISCOVERY", "true"),
        ],
        &[(
            "AUTHZEN_ENDPOINT_ORIGINS",
            "https://a.example https://b.example:8443",
        )],
        &[
            ("AUTHZEN_PDP_URL", "http://127.0.0.1:3592/"),
            ("PORTCULLIS_CACHE_TTL", "0s"),
        ],
        &[
            ("PORTCULLIS_DECISION_POINT", "authzen"),
            ("SERVICE_URL", "https://x.example"),
        ],
        &[
            ("PORTCULLIS_DECISION_POINT", "authzen"),
            ("PORTCULLIS_BUNDLE", "file:x"),
        ],
    ] {
        let source = authzen(parse(more).unwrap());
        assert!(!format!("{source:?}").contains("s3cret"));
        let is_stored = matches!(source.credential, Some(Secret::Arn(_)));
        assert_eq!(is_stored, more[0].0 == "SECRET_HEADER_VALUE_ARN");
    }
    // The same variables, and another decision point by name.
    let oauth = [
        ("PORTCULLIS_DECISION_POINT", "oauth"),
        ("PORTCULLIS_SCOPES", ROUTES),
    ];
    let settings = parse(&oauth).unwrap();
    assert!(matches!(
        settings.decision_point,
        DecisionPointSettings::Local(_)
    ));
}

#[test]
fn bad_settings_are_named() {
    for (name, value, expected) in [
        (
            "AUTHZEN_PDP_URL",
            "http://pdp.example.com",
            "AUTHZEN_PDP_URL is \"http://pdp.example.com\": expected an https URL",
        ),
        (
            "AUTHZEN_PDP_URL",
            "https://gw:s3cret@pdp.example.com",
            "AUTHZEN_PDP_URL is \"[redacted]\"",
        ),
        (
            "AUTHZEN_PDP_URL",
            "https://pdp.example.com?key=s3cret",
            "a URL without a query",
        ),
        (
            "AUTHZEN_PDP_URL",
            "https://pdp.example.com/access/v1/evaluation",
            "without /access/v1/evaluation",
        ),
        ("AUTHZEN_DISCOVERY", "yes", "expected true or false"),
        (
            "AUTHZEN_ENDPOINT_ORIGINS",
            "https://a.example/x",
            "a scheme and a host",
        ),
        (
            "AUTHZEN_ENDPOINT_ORIGINS",
            "http://a.example",
            "expected an https URL",
        ),
        ("AUTHZEN_SUBJECT_CLAIMS", "gr\u{fc}n", "names of claims"),
        (
            "SECRET_HEADER_VALUE",
            "Bearer s3cret\u{7f}",
            "SECRET_HEADER_VALUE is [redacted]: expected",
        ),
        (
            "SECRET_HEADER_NAME",
            "X-Request-ID",
            "a header that the call does not use itself",
        ),
        ("PORTCULLIS_ISSUER", "", "PORTCULLIS_ISSUER is not set"),
        ("PORTCULLIS_AUDIENCE", "", "PORTCULLIS_AUDIENCE is not set"),
        ("PORTCULLIS_SCOPES", "/planets", "a method and a path"),
        (
            "PORTCULLIS_CACHE_TTL",
            "300s",
            "PORTCULLIS_CACHE_TTL is \"300s\": expected 0s",
        ),
        (
            "PORTCULLIS_CACHE_TTL",
            "long",
            "expected a time from 0s to 3600s",
        ),
        (
            "SERVICE_URL",
            "https://x.example",
            "SERVICE_URL and AUTHZEN_PDP_URL are both set",
        ),
        (
            "PORTCULLIS_BUNDLE",
            "file:x",
            "AUTHZEN_PDP_URL and PORTCULLIS_BUNDLE are both set",
        ),
        (
            "ACP_ISSUER_URL",
            "https://x.example",
            "ACP_ISSUER_URL and AUTHZEN_PDP_URL are both set",
        ),
    ] {
        let error = parse(&[(name, value)]).unwrap_err();
        assert!(error.contains(expected), "{name}={value}: {error}");
        assert!(
            !error.contains("s3cret") && !error.contains('\n'),
            "{error}"
        );
    }
    let missing = [
        ("PORTCULLIS_DECISION_POINT", "authzen"),
        ("AUTHZEN_PDP_URL", ""),
    ];
    let error = parse(&missing).unwrap_err();
    assert!(error.starts_with("AUTHZEN_PDP_URL is not set"), "{error}");
}

#[test]
fn the_credential_may_be_kept_elsewhere_or_not_be_there() {
    let service = answering(PERMIT);
    let secret = json!({ "SecretString": format!("Bearer {CREDENTIAL}\n") }).to_string();
    let extension = Wire::start(move |_, _| json_answer(&secret));
    let port = extension.address.port().to_string();
    let stored = [
        ("SECRET_HEADER_VALUE", ""),
        (
            "SECRET_HEADER_VALUE_ARN",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:pdp-AbCdEf",
        ),
        ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", &port),
        ("AWS_SESSION_TOKEN", "session-token-77aa"),
    ];
    let header = [("SECRET_HEADER_NAME", "x-api-key")];
    let without = [("SECRET_HEADER_VALUE", "")];
    for (settings, expected) in [
        (&stored[..], Some("\r\nauthorization: bearer ")),
        (&header, Some("\r\nx-api-key: bearer ")),
        (&without, None),
    ] {
        let mut function = function(&service, settings);
        for _ in 0..2 {
            let outcome = function
                .invoke(&event("/planets", Some(&token("silver"))))
                .outcome;
            assert!(allows(&outcome), "{outcome:?}");
        }
        let head = service.heads().pop().unwrap().to_ascii_lowercase();
        assert_eq!(
            head.matches(CREDENTIAL).count(),
            usize::from(expected.is_some())
        );
        assert!(
            expected.is_none_or(|expected| head.contains(expected)),
            "{head}"
        );
        assert!(
            expected.is_some() || !head.contains("authorization"),
            "{head}"
        );
        check_log(&function.stop());
    }
    assert_eq!(extension.heads().len(), 1);
}
