//! Where the gateway credential goes, and where it comes from.

use std::path::Path;

use portcullis_test_support::lambda::Function;
use serde_json::{Value, json};

use crate::support::{BOOTSTRAP, CREDENTIAL, Service, allows, check_log, rest_event};
use crate::wire::{Act, Wire, ok};

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:gateway-AbCdEf";
const SESSION: &str = "session-token-77aa";

fn function(settings: &[(&str, &str)]) -> Function {
    let mut function = Function::start(Path::new(BOOTSTRAP), settings);
    function.ready();
    function
}

fn planets() -> String {
    rest_event("/planets").to_string()
}

fn permitting() -> Wire {
    Wire::start(|_, echo| Act::Say(ok(echo)))
}

#[test]
fn goes_into_its_header_and_nowhere_else() {
    for (setting, name) in [("", "client-token"), ("x-shared-secret", "x-shared-secret")] {
        let service = permitting();
        let url = format!("{}/v1/environments/e/", service.url());
        let mut function = function(&[
            ("SERVICE_URL", &url),
            ("SECRET_HEADER_VALUE", CREDENTIAL),
            ("SECRET_HEADER_NAME", setting),
        ]);
        assert!(allows(&function.invoke(&planets()).outcome));
        let heads = service.heads();
        assert_eq!(heads.len(), 1);
        let head = heads[0].to_ascii_lowercase();
        assert!(
            head.starts_with("post /v1/environments/e/sideband/request http/1.1\r\n"),
            "{head}"
        );
        assert!(
            head.contains(&format!("\r\n{name}: {CREDENTIAL}\r\n")),
            "{head}"
        );
        assert_eq!(head.matches(CREDENTIAL).count(), 1, "{head}");
        // The client's token belongs in the body, not in a header of the call.
        assert!(!head.contains("\r\nauthorization:"), "{head}");
        check_log(&function.stop());
    }
}

#[test]
fn names_its_service_where_no_setting_does() {
    let service = permitting();
    let part = |value: &Value| base64(value.to_string().as_bytes());
    let credential = format!(
        "{}.{}.c2ln",
        part(&json!({ "alg": "none" })),
        part(&json!({ "httpAccessApiUrl": service.url() }))
    );
    let mut direct = function(&[("SECRET_HEADER_VALUE", &credential)]);
    assert!(allows(&direct.invoke(&planets()).outcome));
    let log = direct.stop();
    assert!(!log.contains(&credential), "{log}");

    let (extension_port, _) = extension(json!({ "SecretString": credential }).to_string());
    let mut stored = function(&[
        ("SECRET_HEADER_VALUE_ARN", SECRET),
        ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", &extension_port),
        ("AWS_SESSION_TOKEN", SESSION),
    ]);
    assert!(allows(&stored.invoke(&planets()).outcome));
    assert_eq!(service.heads().len(), 2);
    let log = stored.stop();
    assert!(
        !log.contains(&credential) && !log.contains(SESSION),
        "{log}"
    );
}

/// Base64 for URLs, without padding (RFC 4648 section 5).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[bits >> (18 - 6 * digit) & 63]));
        }
    }
    text
}

/// A stand-in for the AWS Parameters and Secrets extension that gives that answer.
fn extension(body: String) -> (String, Wire) {
    let wire = Wire::start(move |_, _| Act::Say(ok(body.as_bytes())));
    (wire.address.port().to_string(), wire)
}

#[test]
fn is_asked_for_in_the_documented_form() {
    const SEALED: &str =
        "arn%3Aaws%3Asecretsmanager%3Aus%2Deast%2D1%3A123456789012%3Asecret%3Agateway%2DAbCdEf";
    let service = permitting();
    for (arn, line) in [
        (SECRET, format!("GET /secretsmanager/get?secretId={SEALED} HTTP/1.1")),
        (
            "arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/a/b",
            "GET /systemsmanager/parameters/get?name=arn%3Aaws%2Dus%2Dgov%3Assm%3Aus%2Dgov%2Dwest%2D1%3A123456789012%3Aparameter%2Fa%2Fb&withDecryption=true HTTP/1.1".to_owned(),
        ),
    ] {
        // A line break at the end, as `echo` puts there, belongs to no credential.
        let text = format!("{CREDENTIAL}\n");
        let body = if arn == SECRET {
            json!({ "SecretString": text })
        } else {
            json!({ "Parameter": { "Value": text } })
        };
        let (port, extension) = extension(body.to_string());
        let mut function = function(&[
            ("SERVICE_URL", &service.url()),
            ("SECRET_HEADER_VALUE_ARN", arn),
            ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", &port),
            ("AWS_SESSION_TOKEN", SESSION),
        ]);
        assert!(extension.heads().is_empty(), "it cannot answer before the first event");
        assert!(allows(&function.invoke(&planets()).outcome));
        let heads = extension.heads();
        assert_eq!(heads.len(), 1);
        assert_eq!(heads[0].lines().next(), Some(line.as_str()));
        let token = format!("x-aws-parameters-secrets-token: {SESSION}\r\n");
        assert!(heads[0].to_ascii_lowercase().contains(&token), "{}", heads[0]);
        let asked = service.heads();
        assert!(!asked.last().unwrap().contains(SESSION));
        let log = function.stop();
        assert!(!log.contains(SESSION), "{log}");
        check_log(&log);
    }
}

#[test]
fn without_one_nothing_gets_through() {
    let elsewhere = permitting();
    let location = elsewhere.url();
    let status = |line: &str| {
        format!(
            "HTTP/1.1 {line}\r\nContent-Length: {}\r\n\r\n{CREDENTIAL}",
            CREDENTIAL.len()
        )
        .into_bytes()
    };
    let answers = [
        status("400 Bad Request"),
        status("403 Forbidden"),
        status("500 Internal Server Error"),
        status(&format!("302 Found\r\nLocation: {location}/")),
        ok(b""),
        ok(b"{}"),
        ok(CREDENTIAL.as_bytes()),
        ok(format!("[\"{CREDENTIAL}\"]").as_bytes()),
        ok(b"<html>"),
        ok(br#"{"SecretString":""}"#),
        ok(br#"{"SecretString":null,"SecretBinary":"YQ=="}"#),
        ok(br#"{"SecretString":"gateway-credential-5f1c\r\nX-Injected: 1"}"#),
        ok(br#"{"SecretString":"{\"key\":\"gateway-credential-5f1c\"}"}"#),
        ok("{\"SecretString\":\"gateway-credential-5f1c-\u{e9}\"}".as_bytes()),
        ok(format!("{{\"SecretString\":\"{}\"}}", "x".repeat(300_000)).as_bytes()),
    ];
    for answer in answers {
        let service = Service::permitting();
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(120)]).into_owned();
        let extension = Wire::start(move |_, _| Act::Say(answer.clone()));
        let settings = [
            ("SERVICE_URL", service.url.as_str()),
            ("SECRET_HEADER_VALUE_ARN", SECRET),
            (
                "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT",
                &extension.address.port().to_string(),
            ),
            ("AWS_SESSION_TOKEN", SESSION),
        ];
        let mut failing = function(&settings);
        let outcome = failing.invoke(&planets()).outcome;
        assert!(outcome.is_err(), "{shown}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains(CREDENTIAL), "{outcome:?}");
        let log = failing.stop();
        assert!(!log.contains(SESSION), "{log}");
        check_log(&log);
        let deny = ("PORTCULLIS_ON_UNAVAILABLE", "deny");
        let denied = function(&[&settings[..], &[deny]].concat())
            .invoke(&planets())
            .outcome;
        assert!(denied.unwrap().contains("\"Deny\""), "{shown}");
        assert_eq!(service.calls(), 0, "{shown}");
    }
    assert_eq!(elsewhere.heads(), Vec::<String>::new());
}

#[test]
fn an_extension_that_hangs_or_needs_a_session_is_no_credential() {
    let service = Service::permitting();
    let extension = Wire::start(|_, _| Act::Hang);
    let port = extension.address.port().to_string();
    for (session, asked) in [(SESSION, 1), ("", 1)] {
        let mut function = function(&[
            ("SERVICE_URL", &service.url),
            ("SECRET_HEADER_VALUE_ARN", SECRET),
            ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", &port),
            ("AWS_SESSION_TOKEN", session),
            ("PORTCULLIS_TIMEOUT", "200ms"),
        ]);
        assert!(function.invoke(&planets()).outcome.is_err());
        assert_eq!(extension.heads().len(), asked);
    }
    assert_eq!(service.calls(), 0);
}
