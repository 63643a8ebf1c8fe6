//! What is written: whole lines of JSON, one metric line an event, nothing that only the parties of
//! a request may know, whatever the event and whatever the service says.

use serde_json::{Value, json};

use crate::support::{CREDENTIAL, Service, TOKEN, check_log, recorded, rest_event};
use crate::wire::live;

/// What no line may hold.
const SECRETS: [&str; 7] = [
    TOKEN,
    CREDENTIAL,
    "query-secret",
    "header-secret",
    "cookie-secret",
    "answer-secret",
    "claim-secret",
];

/// Runs a function for those events; its outcomes and the lines of its log.
fn run(settings: &[(&str, &str)], events: &[Vec<u8>]) -> (Vec<Result<String, String>>, Vec<Value>) {
    let events: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
    let life = live(settings, &events);
    assert_eq!(
        life.outcomes.len(),
        events.len(),
        "{}{}",
        life.output,
        life.errors
    );
    assert_eq!(life.errors, "", "nothing goes to standard error");
    for secret in SECRETS {
        assert!(!life.output.contains(secret), "{secret} in {}", life.output);
        for outcome in &life.outcomes {
            let Err(error) = outcome else { continue };
            assert!(!error.contains(secret), "{secret} in {error}");
        }
    }
    (life.outcomes, check_log(&life.output))
}

fn metrics(lines: &[Value]) -> Vec<&str> {
    let metrics = lines.iter().filter(|line| !line["_aws"].is_null());
    metrics
        .map(|line| line["decision"].as_str().unwrap())
        .collect()
}

/// An event that holds a secret in every place that a client fills.
fn full_event() -> Value {
    let mut event = rest_event(&format!("/planets/{TOKEN}"));
    event["multiValueHeaders"]["X-Key"] = json!(["header-secret"]);
    event["multiValueHeaders"]["Cookie"] = json!(["c=cookie-secret"]);
    event["body"] = json!("header-secret");
    event["stageVariables"] = json!({ "key": "header-secret" });
    event
}

/// Events that are refused, each with a secret where the error could repeat it.
fn refused_events() -> Vec<Vec<u8>> {
    let change = |pointer: &str, value: Value| {
        let mut event = full_event();
        *event.pointer_mut(pointer).unwrap() = value;
        event.to_string().into_bytes()
    };
    vec![
        change(
            "/multiValueHeaders/Authorization",
            json!([format!("Bearer {TOKEN}\u{1}")]),
        ),
        change(
            "/multiValueHeaders/X-Key",
            json!([{ "a": "header-secret" }]),
        ),
        change("/multiValueHeaders", json!("header-secret")),
        change("/headers", json!("header-secret")),
        change("/headers", json!(["header-secret"])),
        change("/httpMethod", json!("G header-secret")),
        change("/httpMethod", json!(["header-secret"])),
        change("/methodArn", json!("header-secret")),
        change("/requestContext", json!("header-secret")),
        change(
            "/requestContext/domainName",
            json!("header-secret@query-secret"),
        ),
        change("/requestContext/path", json!("planets?key=query-secret")),
        change("/queryStringParameters", json!("query-secret")),
        change("/queryStringParameters/key", json!({ "a": "query-secret" })),
        change("/type", json!("header-secret header-secret")),
        json!({ "type": "TOKEN", "authorizationToken": [TOKEN], "methodArn": "x" })
            .to_string()
            .into(),
        json!({ "authorizationToken": TOKEN }).to_string().into(),
        json!(TOKEN).to_string().into(),
        json!([TOKEN]).to_string().into(),
    ]
}

#[test]
fn no_secret_is_written_whatever_the_event() {
    for debug in ["false", "true"] {
        for level in ["TRACE", "INFO"] {
            let service = Service::permitting();
            let settings = [
                ("SERVICE_URL", service.url.as_str()),
                ("SECRET_HEADER_VALUE", CREDENTIAL),
                ("IS_DEBUG_ENABLED", debug),
                ("AWS_LAMBDA_LOG_LEVEL", level),
            ];
            let mut events = vec![full_event().to_string().into_bytes()];
            events.extend(refused_events());
            let (outcomes, lines) = run(&settings, &events);
            assert!(outcomes[0].is_ok());
            for (outcome, event) in outcomes.iter().zip(&events).skip(1) {
                let allowed = outcome
                    .as_ref()
                    .is_ok_and(|answer| answer.contains("\"Allow\""));
                assert!(!allowed, "{}", String::from_utf8_lossy(event));
            }
            assert_eq!(
                metrics(&lines).len(),
                events.len(),
                "one metric line an event"
            );
        }
    }
}

#[test]
fn no_secret_is_written_whatever_the_service_says() {
    type Answer = fn(&Value) -> (&'static str, String);
    let answers: [Answer; 9] = [
        |_| ("200 OK", "answer-secret".to_owned()),
        |_| ("200 OK", "{\"method\":\"answer-secret\"}".to_owned()),
        |sent| {
            let mut reply = sent.clone();
            reply["headers"] = json!("answer-secret");
            ("200 OK", reply.to_string())
        },
        |sent| {
            let mut reply = sent.clone();
            reply["url"] = json!("https://answer-secret/?k=answer-secret");
            ("200 OK", reply.to_string())
        },
        |sent| {
            let mut reply = sent.clone();
            reply["response"] = json!({ "response_code": "answer-secret" });
            ("200 OK", reply.to_string())
        },
        |sent| {
            let mut reply = sent.clone();
            reply["response"] = json!({ "response_code": 403, "body": "answer-secret",
                "headers": [{ "Set-Cookie": "answer-secret" }] });
            ("200 OK", reply.to_string())
        },
        |sent| {
            let mut reply = sent.clone();
            reply["headers"] = json!([{ "X-User": "answer-secret" }]);
            ("200 OK", reply.to_string())
        },
        |_| {
            (
                "400 Bad Request",
                "{\"message\":\"no\",\"details\":\"answer-secret\"}".to_owned(),
            )
        },
        |sent| ("500 Internal Server Error", format!("answer-secret {sent}")),
    ];
    for answer in answers {
        let service = Service::start(answer);
        let settings = [
            ("SERVICE_URL", service.url.as_str()),
            ("SECRET_HEADER_VALUE", CREDENTIAL),
            ("IS_DEBUG_ENABLED", "true"),
            ("AWS_LAMBDA_LOG_LEVEL", "TRACE"),
            ("MAX_RETRIES", "0"),
        ];
        let (_, lines) = run(&settings, &[full_event().to_string().into_bytes()]);
        assert_eq!(metrics(&lines).len(), 1);
    }
}

#[test]
fn bytes_that_are_no_text_are_an_error_and_the_function_goes_on() {
    let service = Service::permitting();
    for level in ["TRACE", "INFO"] {
        let mut latin1 = full_event().to_string().into_bytes();
        let place = latin1
            .windows(6)
            .position(|window| window == b"Bearer")
            .unwrap();
        latin1[place] = 0xe9;
        let deep = [b"[".repeat(200_000), b"]".repeat(200_000)].concat();
        let large = json!({ "type": "TOKEN", "methodArn": "x", "pad": "x".repeat(2_000_000) });
        let events = vec![
            latin1,
            b"\xff\xfe\x00".to_vec(),
            full_event().to_string().into_bytes()[..200].to_vec(),
            Vec::new(),
            deep,
            large.to_string().into_bytes(),
            full_event().to_string().into_bytes(),
        ];
        let settings = [
            ("SERVICE_URL", service.url.as_str()),
            ("SECRET_HEADER_VALUE", CREDENTIAL),
            ("AWS_LAMBDA_LOG_LEVEL", level),
        ];
        let (outcomes, _) = run(&settings, &events);
        let (last, broken) = outcomes.split_last().unwrap();
        assert!(broken.iter().all(Result::is_err), "{broken:?}");
        assert!(last.as_ref().unwrap().contains("\"Allow\""));
    }
    assert_eq!(service.calls(), 2);
}

#[test]
fn a_member_that_is_there_twice_is_an_error() {
    let service = Service::permitting();
    let event = full_event().to_string();
    let arn = "\"methodArn\":\"arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/other\",";
    let twice = |member: &str| format!("{{{member}{}", &event[1..]).into_bytes();
    let events = [
        twice(arn),
        twice("\"path\":\"/other\",\"httpMethod\":\"PUT\","),
        twice("\"type\":\"TOKEN\",\"authorizationToken\":\"x\","),
        twice("\"requestContext\":{},"),
        twice("\"multiValueHeaders\":{\"Authorization\":[\"Bearer x\"]},"),
    ];
    let settings = [
        ("SERVICE_URL", service.url.as_str()),
        ("SECRET_HEADER_VALUE", CREDENTIAL),
    ];
    let (outcomes, lines) = run(&settings, &events);
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert_eq!(metrics(&lines), ["error"; 5]);
    assert_eq!(service.calls(), 0);
}

#[test]
fn each_end_of_an_event_has_its_metric_line() {
    let answers = [
        json!(null),
        json!({ "response_code": 401 }),
        json!({ "response_code": 403 }),
        json!({ "response_code": 503 }),
    ];
    let turn = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let service = Service::start(move |sent| {
        let turn = turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut reply = sent.clone();
        if turn > 0 {
            reply["response"] = answers[turn].clone();
        }
        ("200 OK", reply.to_string())
    });
    let event = full_event().to_string().into_bytes();
    let mut bad = full_event();
    bad["multiValueHeaders"]["X-Key"] = json!(["a\u{0}b"]);
    let settings = [
        ("SERVICE_URL", service.url.as_str()),
        ("SECRET_HEADER_VALUE", CREDENTIAL),
    ];
    let mut events = vec![event; 4];
    events.push(bad.to_string().into_bytes());
    events.push(recorded("alb_target_request.go").into_bytes());
    let (_, lines) = run(&settings, &events);
    assert_eq!(
        metrics(&lines),
        [
            "permit",
            "unauthorized",
            "deny",
            "error",
            "bad_request",
            "error"
        ]
    );
}

#[test]
fn the_level_is_honoured() {
    let levels = |level: &str, debug: &str| {
        let service = Service::permitting();
        let settings = [
            ("SERVICE_URL", service.url.as_str()),
            ("SECRET_HEADER_VALUE", CREDENTIAL),
            ("AWS_LAMBDA_LOG_LEVEL", level),
            ("IS_DEBUG_ENABLED", debug),
        ];
        let mut bad = full_event();
        bad["multiValueHeaders"]["X-Key"] = json!(["a\u{0}b"]);
        let events =
            [full_event().to_string(), bad.to_string(), "{}".to_owned()].map(String::into_bytes);
        let (_, lines) = run(&settings, &events);
        assert_eq!(
            metrics(&lines),
            ["permit", "bad_request", "error"],
            "metrics come at every level"
        );
        let mut levels: Vec<_> = lines
            .iter()
            .filter_map(|line| Some(line["level"].as_str()?.to_owned()))
            .collect();
        levels.dedup();
        levels
    };
    for (level, expected) in [
        ("INFO", &["INFO", "WARN", "ERROR"][..]),
        ("", &["INFO", "WARN", "ERROR"]),
        ("info", &["INFO", "WARN", "ERROR"]),
        ("WARN", &["WARN", "ERROR"]),
        ("ERROR", &["ERROR"]),
        ("FATAL", &["ERROR"]),
    ] {
        assert_eq!(levels(level, "false"), expected, "{level}");
        assert_eq!(levels(level, "true"), expected, "{level}, with exchanges");
    }
}
