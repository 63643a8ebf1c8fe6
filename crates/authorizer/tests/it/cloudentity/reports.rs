//! What is told to others in Cloudentity mode: the backend, the audit of the control plane, its list of APIs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use portcullis_test_support::http;
use serde_json::{Value, json};

use super::{ControlPlane, decided, event, is, scheduled};

#[test]
fn the_backend_is_told_the_authentication_context() {
    let plane = ControlPlane::start();
    let token = plane.token();
    let mut function = plane.function(&[("AWS_INJECT_CONTEXT", "true")]);
    let answer = function
        .invoke(&event("/pets/7", Some(&token)).to_string())
        .outcome
        .unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["principalId"], "carl");
    let context = answer["context"]["authnCtx"].as_str().unwrap();
    let context: Value = serde_json::from_slice(&BASE64_STANDARD.decode(context).unwrap()).unwrap();
    assert_eq!(
        (&context["sub"], &context["amr"]),
        (&json!("carl"), &json!(["pwd"]))
    );
    let opaque = function
        .invoke(&event("/pets/7", Some("opaque-good")).to_string())
        .outcome
        .unwrap();
    assert!(
        opaque.contains("authnCtx") && opaque.contains("carla"),
        "{opaque}"
    );
    let anonymous = function
        .invoke(&event("/open", Some(&token)).to_string())
        .outcome
        .unwrap();
    assert!(!anonymous.contains("authnCtx"), "{anonymous}");
    let mut plain = plane.function(&[]);
    let answer = plain
        .invoke(&event("/pets/7", Some(&token)).to_string())
        .outcome
        .unwrap();
    assert!(!answer.contains("authnCtx"), "{answer}");
}

#[test]
fn decisions_are_told_after_the_answers_without_tokens() {
    let plane = ControlPlane::start();
    let token = plane.token();
    let mut function = plane.function(&[]);
    decided(&mut function, "/pets/7", Some(&token));
    decided(&mut function, "/blocked", Some(&token));
    function.invoke(&scheduled());
    std::thread::sleep(Duration::from_millis(1100));
    function.invoke(&scheduled());
    let events = plane.state.lock().unwrap().events.clone();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(
        (&events[0]["api_id"], &events[0]["result"]["result"]),
        (&json!("a1"), &json!("AUTHORIZED"))
    );
    assert_eq!(
        (&events[1]["api_id"], &events[1]["result"]["result"]),
        (&json!("a3"), &json!("UNAUTHORIZED"))
    );
    assert_eq!(
        events[1]["result"]["failure"][0]["validator"],
        "denied_by_policy"
    );
    let text = json!(events).to_string();
    assert!(!text.contains(&token) && text.contains("sha256:"), "{text}");

    let mut raw = plane.function(&[("PORTCULLIS_ANALYTICS_RAW_TOKENS", "true")]);
    decided(&mut raw, "/pets/7", Some(&token));
    std::thread::sleep(Duration::from_millis(1100));
    raw.invoke(&scheduled());
    assert!(
        json!(plane.state.lock().unwrap().events)
            .to_string()
            .contains(&token)
    );
    let before = plane.state.lock().unwrap().events.len();
    let mut silent = plane.function(&[("ANALYTICS_ENABLED", "false")]);
    decided(&mut silent, "/pets/7", Some(&token));
    std::thread::sleep(Duration::from_millis(1100));
    silent.invoke(&scheduled());
    assert_eq!(plane.state.lock().unwrap().events.len(), before);
}

/// API Gateway's answers, as its SDKs read them; throttled now and then. MiniStack answers in `tests/e2e`.
fn api_gateway(throttled: Arc<Mutex<u32>>) -> String {
    let address = http::listen(move |mut connection| {
        while let Some(request) = connection.read()? {
            let authorization = request.header("authorization").unwrap_or_default();
            assert!(
                authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"),
                "{authorization}"
            );
            assert!(
                authorization.contains("/eu-west-1/apigateway/aws4_request"),
                "{authorization}"
            );
            assert_eq!(
                request.header("x-amz-security-token"),
                Some("session-s3cret")
            );
            let mut left = throttled.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                connection.write("429 Too Many Requests", "", b"{}")?;
                continue;
            }
            let body = match request.line.as_str() {
                "GET /restapis" => {
                    json!({ "item": [{ "id": "abc", "name": "PetStore" }], "position": "next page" })
                }
                "GET /restapis?position=next%20page" => json!({ "item": [] }),
                "GET /restapis/abc/stages" => {
                    json!({ "item": [{ "stageName": "prod", "deploymentId": "d1" }] })
                }
                "GET /restapis/abc/deployments/d1?embed=apisummary" => {
                    json!({ "id": "d1", "apiSummary": { "/pets/{petId}": { "GET": {}, "OPTIONS": {} }, "/open": { "ANY": {} } } })
                }
                "GET /v2/apis" => json!({ "items": [
                    { "apiId": "h1", "name": "Http", "protocolType": "HTTP" }, { "apiId": "w1", "name": "Ws", "protocolType": "WEBSOCKET" } ] }),
                "GET /v2/apis/h1/routes" => {
                    json!({ "items": [{ "routeKey": "GET /x" }, { "routeKey": "$default" }] })
                }
                "GET /v2/apis/h1/stages" => json!({ "items": [{ "stageName": "$default" }] }),
                other => panic!("{other}"),
            };
            connection.write("200 OK", "", body.to_string().as_bytes())?;
        }
        Ok(())
    });
    format!("http://{address}")
}

#[test]
fn the_apis_of_the_account_are_told_when_a_schedule_says_so() {
    let plane = ControlPlane::start();
    let endpoint = api_gateway(Arc::new(Mutex::new(2)));
    let mut function = plane.function(&[
        ("PORTCULLIS_DISCOVERY", "true"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "key-s3cret"),
        ("AWS_SESSION_TOKEN", "session-s3cret"),
    ]);
    // What has not changed is told once.
    function.invoke(&scheduled());
    function.invoke(&scheduled());
    let told = plane.state.lock().unwrap().groups.clone();
    let api =
        |method: &str, path: &str| json!({ "api_type": "rest", "method": method, "path": path });
    let group = |id: &str, name: &str, stage: &str, apis: [Value; 2]| {
        json!({
            "id": format!("aws:{id}:{stage}"), "name": format!("{name} ({stage})"), "apis": apis,
            "metadata": { "type": "aws", "aws": { "api_id": id, "api_name": name, "stage": stage } },
        })
    };
    assert_eq!(
        told,
        [json!({ "api_groups": [
        group("abc", "PetStore", "prod", [api("ANY", "/open"), api("GET", "/pets/{petId}")]),
        group("h1", "Http", "$default", [api("ANY", "/{proxy+}"), api("GET", "/x")]),
    ] })]
    );
    let log = function.stop();
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn an_api_gateway_that_throttles_for_ever_is_given_up_and_the_polling_goes_on() {
    let plane = ControlPlane::start();
    let throttled = Arc::new(Mutex::new(1000));
    let endpoint = api_gateway(Arc::clone(&throttled));
    let mut function = plane.function(&[
        ("PORTCULLIS_DISCOVERY", "true"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "key-s3cret"),
        ("AWS_SESSION_TOKEN", "session-s3cret"),
    ]);
    assert!(decided(&mut function, "/open", None).0);
    plane.change(|state| state.configuration["apis"][1]["policy_id"] = json!("block"));
    let answer = function.invoke(&scheduled()).outcome;
    assert_eq!(answer.as_deref(), Ok("null"));
    assert_eq!(
        1000 - *throttled.lock().unwrap(),
        4,
        "one call, four times, paced"
    );
    assert!(
        plane.state.lock().unwrap().groups.is_empty(),
        "all or nothing"
    );
    assert_eq!(
        decided(&mut function, "/open", None),
        is(false, "denied_by_policy")
    );
    let log = function.stop();
    assert!(
        log.contains("could not be found") && log.contains("429"),
        "{log}"
    );
    assert!(!log.contains("s3cret"), "{log}");
}
