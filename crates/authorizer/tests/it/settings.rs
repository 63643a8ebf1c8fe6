//! Every setting: what is taken, what is refused, and what the one line says.

use std::path::Path;
use std::time::Duration;

use portcullis_authorizer::{
    DecisionPointSettings, Environment, OnUnavailable, Settings, SidebandSource,
};
use portcullis_test_support::lambda::Function;

use crate::support::{BOOTSTRAP, check_log};

const GOOD: [(&str, &str); 2] = [
    ("SERVICE_URL", "https://pdp.example.com/v1/"),
    ("SECRET_HEADER_VALUE", "s3cret-credential"),
];

fn parse(more: &[(&str, &str)]) -> Result<Settings, String> {
    let all = GOOD
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_environment(&all.collect::<Environment>()).map_err(|error| error.to_string())
}

fn sideband(settings: &Settings) -> &SidebandSource {
    match &settings.decision_point {
        DecisionPointSettings::Sideband(source) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let settings = parse(&[]).unwrap();
    assert_eq!(sideband(&settings).credential_header, "CLIENT-TOKEN");
    assert_eq!(sideband(&settings).max_retries, 1);
    assert_eq!(settings.timeout, Duration::from_secs(2));
    assert_eq!(settings.on_unavailable, OnUnavailable::Error);
    assert!(
        !sideband(&settings).debug
            && !settings.event.strip_stage
            && settings.event.base_url.is_none()
    );
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn good_values_are_taken() {
    let settings = parse(&[
        ("SECRET_HEADER_NAME", "x-shared-secret"),
        ("MAX_RETRIES", "0"),
        ("PORTCULLIS_TIMEOUT", "750ms"),
        ("PORTCULLIS_ON_UNAVAILABLE", "DENY"),
        ("IS_DEBUG_ENABLED", "True"),
        ("PORTCULLIS_STRIP_STAGE", "true"),
        ("PORTCULLIS_BASE_URL", "https://api.example.com/"),
        ("PORTCULLIS_DECISION_POINT", "sideband"),
        ("PORTCULLIS_ISSUER", "https://idp.example.com"),
        ("PORTCULLIS_ROOT_CA", ""),
    ])
    .unwrap();
    assert_eq!(
        (sideband(&settings).max_retries, settings.timeout),
        (0, Duration::from_millis(750))
    );
    assert_eq!(settings.on_unavailable, OnUnavailable::Deny);
    assert!(sideband(&settings).debug && settings.event.strip_stage);
}

/// Variable, value, and a part of the line.
const BAD: [(&str, &str, &str); 26] = [
    (
        "SERVICE_URL",
        "http://pdp.example.com",
        "SERVICE_URL is \"http://pdp.example.com\": expected an https URL",
    ),
    (
        "SERVICE_URL",
        "https://gw:s3cret@pdp.example.com",
        "SERVICE_URL is \"[redacted]\"",
    ),
    (
        "SERVICE_URL",
        "http://pdp.example.com/x?code=s3cret",
        "SERVICE_URL is \"http://pdp.example.com\"",
    ),
    (
        "SERVICE_URL",
        "https://pdp.example.com/sideband/request",
        "without /sideband at its end",
    ),
    (
        "SECRET_HEADER_VALUE",
        "s3cret with spaces",
        "SECRET_HEADER_VALUE is [redacted]: expected",
    ),
    (
        "SECRET_HEADER_NAME",
        "s3cret.jwt",
        "SECRET_HEADER_NAME is [redacted]: expected the name of a header",
    ),
    (
        "SECRET_HEADER_NAME",
        "Host",
        "SECRET_HEADER_NAME is \"Host\"",
    ),
    (
        "SECRET_HEADER_VALUE_ARN",
        "arn:aws:ssm:x",
        "SECRET_HEADER_VALUE and SECRET_HEADER_VALUE_ARN are both set",
    ),
    ("MAX_RETRIES", "11", "expected a number from 0 to 10"),
    ("MAX_RETRIES", "-1", "expected a number from 0 to 10"),
    (
        "PORTCULLIS_TIMEOUT",
        "2",
        "expected a time from 50ms to 29s",
    ),
    (
        "PORTCULLIS_TIMEOUT",
        "49ms",
        "expected a time from 50ms to 29s",
    ),
    (
        "PORTCULLIS_TIMEOUT",
        "30s",
        "expected a time from 50ms to 29s",
    ),
    ("IS_DEBUG_ENABLED", "yes", "expected true or false"),
    ("PORTCULLIS_STRIP_STAGE", "1", "expected true or false"),
    (
        "PORTCULLIS_BASE_URL",
        "https://api.example.com/v1",
        "without a path",
    ),
    ("PORTCULLIS_HTTP_RESPONSE", "json", "expected iam or simple"),
    (
        "PORTCULLIS_ON_UNAVAILABLE",
        "allow",
        "expected error or deny",
    ),
    (
        "PORTCULLIS_ROOT_CA",
        "/no/such/file",
        "PORTCULLIS_ROOT_CA is \"/no/such/file\"",
    ),
    (
        "PORTCULLIS_ROOT_CA",
        "-----BEGIN nonsense",
        "PORTCULLIS_ROOT_CA is \"[PEM]\"",
    ),
    (
        "PORTCULLIS_DECISION_POINT",
        "cloudentity",
        "ACP_ISSUER_URL is not set",
    ),
    ("PORTCULLIS_DECISION_POINT", "magic", "expected sideband"),
    (
        "PORTCULLIS_ISSUER",
        "https://idp.example.com",
        "SERVICE_URL and PORTCULLIS_ISSUER are both set",
    ),
    (
        "AUTHZEN_PDP_URL",
        "https://pdp.example.com",
        "SERVICE_URL and AUTHZEN_PDP_URL are both set",
    ),
    (
        "ACP_ISSUER_URL",
        "https://acp.example.com",
        "SERVICE_URL and ACP_ISSUER_URL are both set",
    ),
    (
        "AWS_LAMBDA_LOG_LEVEL",
        "loud",
        "AWS_LAMBDA_LOG_LEVEL is \"loud\"",
    ),
];

#[test]
fn bad_values_are_named_and_secrets_are_not_shown() {
    for (variable, value, expected) in BAD {
        let error = parse(&[(variable, value)]).unwrap_err();
        assert!(error.contains(expected), "{variable}={value}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
        assert!(!error.contains("expected expected"), "{error}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let parse = |variables: &[(&str, &str)]| {
        let all = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::from_environment(&all.collect::<Environment>())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert!(
        parse(&[])
            .unwrap_err()
            .starts_with("SERVICE_URL is not set")
    );
    assert!(
        parse(&GOOD[..1])
            .unwrap_err()
            .starts_with("SECRET_HEADER_VALUE is not set")
    );
    assert!(
        parse(&GOOD[1..])
            .unwrap_err()
            .starts_with("SERVICE_URL is not set")
    );
    // A credential of PingOne names its service; one that is kept elsewhere is read later.
    let credential = "e30.eyJodHRwQWNjZXNzQXBpVXJsIjoiaHR0cHM6Ly9hLmV4YW1wbGUifQ.c2ln";
    assert_eq!(parse(&[("SECRET_HEADER_VALUE", credential)]), Ok(()));
    assert_eq!(
        parse(&[(
            "SECRET_HEADER_VALUE_ARN",
            "arn:aws:ssm:us-east-1:1:parameter/x"
        )]),
        Ok(())
    );
}

#[test]
fn the_function_ends_at_init_with_one_line() {
    let settings = [GOOD[0], GOOD[1], ("MAX_RETRIES", "many")];
    let (status, log) = Function::start(Path::new(BOOTSTRAP), &settings).wait();
    assert_eq!(status, Some(2));
    let lines = check_log(&log);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["level"], "ERROR");
    assert_eq!(
        lines[0]["message"],
        "MAX_RETRIES is \"many\": expected a number from 0 to 10"
    );
}
