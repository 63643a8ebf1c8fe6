//! A service that breaks the rules of HTTP or of the protocol: whatever it sends, an answer that is
//! no permit for this request lets nothing through, in every way of answering.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_test_support::http;
use portcullis_test_support::lambda::Function;
use serde_json::{Value, json};

use crate::support::{BOOTSTRAP, CREDENTIAL, Service, allows, check_log, recorded, rest_event};
use crate::wire::{Act, Wire, ok};

/// A function that asks the service at that URL, ready for events.
fn function(url: &str, settings: &[(&str, &str)]) -> Function {
    let own = [("SERVICE_URL", url), ("SECRET_HEADER_VALUE", CREDENTIAL)];
    let mut function = Function::start(Path::new(BOOTSTRAP), &[&own[..], settings].concat());
    function.ready();
    function
}

fn planets() -> String {
    rest_event("/planets").to_string()
}

#[test]
fn an_answer_that_breaks_off_or_never_begins_lets_nothing_through() {
    type Answer = fn(&[u8]) -> Act;
    let answers: [(&str, Answer); 10] = [
        ("nothing", |_| Act::SayAndClose(Vec::new())),
        ("half a head", |_| {
            Act::SayAndClose(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec())
        }),
        ("half a body", |echo| {
            let all = ok(echo);
            Act::SayAndClose(all[..all.len() - echo.len() / 2].to_vec())
        }),
        ("all but the last byte", |echo| {
            let all = ok(echo);
            Act::SayAndClose(all[..all.len() - 1].to_vec())
        }),
        ("chunks without an end", |echo| {
            let head = format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
                echo.len()
            );
            Act::SayAndClose([head.as_bytes(), echo, b"\r\n"].concat())
        }),
        ("two lengths", |echo| {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Length: 2\r\n\r\n",
                echo.len()
            );
            Act::SayAndClose([head.as_bytes(), echo].concat())
        }),
        ("an interim answer only", |_| {
            Act::SayAndClose(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())
        }),
        ("another protocol", |echo| {
            Act::SayAndClose(
                [
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
                    echo,
                ]
                .concat(),
            )
        }),
        ("no HTTP", |echo| Act::SayAndClose(echo.to_vec())),
        ("two documents", |echo| Act::Say(ok(&[echo, echo].concat()))),
    ];
    for (what, answer) in answers {
        let service = Wire::start(move |_, echo| answer(echo));
        for (mode, is_error) in [("error", true), ("deny", false)] {
            let mut function = function(
                &service.url(),
                &[("PORTCULLIS_ON_UNAVAILABLE", mode), ("MAX_RETRIES", "0")],
            );
            let outcome = function.invoke(&planets()).outcome;
            assert!(!allows(&outcome), "{what}: {outcome:?}");
            assert_eq!(outcome.is_err(), is_error, "{what}: {outcome:?}");
            check_log(&function.stop());
        }
    }
}

#[test]
fn silence_ends_with_the_budget() {
    let service = Wire::start(|_, _| Act::Hang);
    let drip = Wire::start(|_, echo| Act::Say(ok(echo)[..40].to_vec()));
    for url in [service.url(), drip.url()] {
        for (mode, is_error) in [("error", true), ("deny", false)] {
            let mut function = function(
                &url,
                &[
                    ("PORTCULLIS_TIMEOUT", "200ms"),
                    ("PORTCULLIS_ON_UNAVAILABLE", mode),
                ],
            );
            let outcome = function.invoke(&planets()).outcome;
            assert!(!allows(&outcome), "{outcome:?}");
            assert_eq!(outcome.is_err(), is_error);
        }
    }
}

#[test]
fn a_redirect_takes_the_credential_nowhere() {
    let elsewhere = Wire::start(|_, echo| Act::Say(ok(echo)));
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = elsewhere.url();
        let service = Wire::start(move |_, echo| {
            let head = format!(
                "HTTP/1.1 {status}\r\nLocation: {location}/sideband/request\r\nContent-Length: {}\r\n\r\n",
                echo.len()
            );
            Act::Say([head.as_bytes(), echo].concat())
        });
        let outcome = function(&service.url(), &[]).invoke(&planets()).outcome;
        assert!(outcome.is_err(), "{status}: {outcome:?}");
    }
    assert_eq!(elsewhere.heads(), Vec::<String>::new());
}

/// A permit that was not asked for, left in the connection for the next request to find.
#[test]
fn an_answer_too_many_is_nobodys() {
    let service = Wire::start(|_, sent| {
        let mut deny: Value = serde_json::from_slice(sent).unwrap();
        let permit = ok(sent);
        deny["response"] = json!({ "response_code": 403 });
        let deny = ok(deny.to_string().as_bytes());
        Act::Say([deny, permit].concat())
    });
    let mut function = function(&service.url(), &[]);
    for _ in 0..10 {
        let outcome = function.invoke(&planets()).outcome;
        assert!(!allows(&outcome), "{outcome:?}");
    }
}

/// A permit of another request is none of this one.
#[test]
fn an_echo_of_another_request_is_no_permit() {
    let first: Arc<std::sync::Mutex<Vec<u8>>> = Arc::default();
    let kept = Arc::clone(&first);
    let service = Wire::start(move |_, sent| {
        let mut kept = kept.lock().unwrap();
        if kept.is_empty() {
            *kept = sent.to_vec();
        }
        Act::Say(ok(&kept))
    });
    let mut function = function(&service.url(), &[]);
    assert!(allows(&function.invoke(&planets()).outcome));
    for path in ["/moons", "/planets/1"] {
        let outcome = function.invoke(&rest_event(path).to_string()).outcome;
        assert!(!allows(&outcome), "{path}: {outcome:?}");
    }
    let mut delete = rest_event("/planets");
    delete["httpMethod"] = json!("DELETE");
    delete["requestContext"]["httpMethod"] = json!("DELETE");
    delete["methodArn"] =
        json!("arn:aws:execute-api:us-east-1:123456789012:abc/prod/DELETE/planets");
    let outcome = function.invoke(&delete.to_string()).outcome;
    assert!(!allows(&outcome), "{outcome:?}");
}

#[test]
fn whatever_a_response_says_it_is_no_permit() {
    let service_code = Arc::new(std::sync::Mutex::new(Value::Null));
    let code = Arc::clone(&service_code);
    let service = Service::start(move |sent| {
        let mut reply = sent.clone();
        reply["response"] = code.lock().unwrap().clone();
        ("200 OK", reply.to_string())
    });
    let mut functions = [
        service.function(&[]),
        service.function(&[("PORTCULLIS_ON_UNAVAILABLE", "deny")]),
        service.function(&[("PORTCULLIS_HTTP_RESPONSE", "simple")]),
    ];
    let codes = [
        json!(200),
        json!("200"),
        json!(204),
        json!(302),
        json!(0),
        json!(99),
        json!(600),
        json!(65536),
        json!(-1),
        json!("abc"),
        json!(""),
        json!(null),
        json!(true),
        json!(4.5),
        json!([403]),
    ];
    let mut responses: Vec<Value> = codes
        .iter()
        .map(|code| json!({ "response_code": code }))
        .collect();
    responses.extend([
        json!(null),
        json!({}),
        json!([]),
        json!(false),
        json!(""),
        json!("permit"),
        json!(0),
    ]);
    for response in responses {
        *service_code.lock().unwrap() = response.clone();
        for function in &mut functions {
            for event in [planets(), recorded("http_v2_request.awsdocs")] {
                let outcome = function.invoke(&event).outcome;
                assert!(!allows(&outcome), "{response}: {outcome:?}");
            }
        }
    }
}

#[test]
fn a_server_error_as_a_deny_follows_the_setting() {
    for code in ["500", "502", "503"] {
        let service = Service::denying(json!({ "response_code": code }));
        let outcome = service.function(&[]).invoke(&planets()).outcome;
        assert!(outcome.is_err(), "{code}: {outcome:?}");
        let mut function = service.function(&[("PORTCULLIS_ON_UNAVAILABLE", "deny")]);
        let answer: Value =
            serde_json::from_str(&function.invoke(&planets()).outcome.unwrap()).unwrap();
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny");
        assert_eq!(answer["context"]["reason"], "decision_point_unavailable");
        assert_eq!(answer["context"]["status"], 503);
        assert!(answer["context"]["message"].is_string());
    }
}

#[test]
fn unavailable_as_a_deny_is_one_in_every_dialect() {
    let away = "http://127.0.0.1:1";
    let deny = ("PORTCULLIS_ON_UNAVAILABLE", "deny");
    for form in ["iam", "simple"] {
        let mut function = function(
            away,
            &[
                deny,
                ("PORTCULLIS_HTTP_RESPONSE", form),
                ("MAX_RETRIES", "0"),
            ],
        );
        for event in [
            "rest_token.awsdocs",
            "rest_request.awsdocs",
            "http_v1_request.awsdocs",
            "http_v2_request.awsdocs",
            "websocket_connect_authorizer.awsdocs",
        ] {
            let answer: Value =
                serde_json::from_str(&function.invoke(&recorded(event)).outcome.unwrap()).unwrap();
            let denied = answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
                || answer["isAuthorized"] == false;
            assert!(denied, "{event}: {answer}");
        }
        // What is no event stays an error: there is nobody to deny.
        assert!(function.invoke("{}").outcome.is_err());
    }
}

#[test]
fn retries_are_as_many_as_were_set() {
    for (setting, calls) in [("0", 1), ("1", 2), ("3", 4)] {
        let service = Service::start(|_| ("502 Bad Gateway", String::new()));
        let mut function =
            service.function(&[("MAX_RETRIES", setting), ("PORTCULLIS_TIMEOUT", "20s")]);
        assert!(function.invoke(&planets()).outcome.is_err());
        assert_eq!(service.calls(), calls);
    }
}

/// What https promises is asked for: an unknown authority is not believed.
#[test]
fn only_trusted_certificates_are_believed() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let (address, pem) = http::listen_tls(move |mut connection| {
        while let Some(request) = connection.read()? {
            counter.fetch_add(1, Ordering::SeqCst);
            connection.write("200 OK", "", &request.body)?;
        }
        Ok(())
    });
    let file = std::env::temp_dir().join(format!("portcullis-root-{}.pem", std::process::id()));
    std::fs::write(&file, &pem).unwrap();
    let url = format!("https://{address}");
    let trusting = |root: &str| {
        function(
            &url,
            &[("PORTCULLIS_ROOT_CA", root), ("PORTCULLIS_TIMEOUT", "10s")],
        )
        .invoke(&planets())
        .outcome
    };
    assert!(trusting("").is_err());
    let (_, stranger) = http::listen_tls(|_| Ok(()));
    assert!(trusting(&stranger).is_err());
    // The certificate is for 127.0.0.1, not for every name of this machine.
    let localhost = format!("https://localhost:{}", address.port());
    let other_name = function(
        &localhost,
        &[("PORTCULLIS_ROOT_CA", &pem), ("PORTCULLIS_TIMEOUT", "10s")],
    )
    .invoke(&planets())
    .outcome;
    assert!(other_name.is_err());
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert!(allows(&trusting(&pem)));
    assert!(allows(&trusting(file.to_str().unwrap())));
    std::fs::remove_file(file).unwrap();
}
