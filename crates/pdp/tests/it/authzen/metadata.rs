//! The metadata of an AuthZEN service: where it says to ask, and when it is not believed.

use portcullis_pdp::Unavailable;
use serde_json::{Value, json};

use super::{CREDENTIAL, Scene, Setup, header, permits};
use crate::service::{Act, Service, ok, response};

/// A service with metadata: `document` gets its own URL.
fn with_metadata(
    setup: &Setup,
    document: impl Fn(&str, usize) -> Value + Send + Sync + 'static,
) -> Scene {
    Scene::new(setup, move |index, seen| {
        if seen.head.starts_with("GET ") {
            let own = format!("http://{}", header(seen, "host").unwrap());
            ok(&document(&own, index).to_string())
        } else {
            ok(r#"{"decision":true}"#)
        }
    })
}

/// Metadata, made with the URL of the service.
type Document = Box<dyn Fn(&str) -> Value + Send + Sync>;

fn discovering(origins: &[String]) -> Setup {
    Setup {
        discovery: Some(origins.to_vec()),
        path: "/tenant1",
        ..Setup::default()
    }
}

#[tokio::test]
async fn metadata_says_where_to_ask() {
    let scene = with_metadata(&discovering(&[]), |own, _| {
        json!({
            "policy_decision_point": format!("{own}/tenant1"),
            "access_evaluation_endpoint": format!("{own}/somewhere/else?tenant=1"),
            "capabilities": [], "unknown": { "x": 1 },
        })
    });
    for _ in 0..2 {
        assert!(permits(&scene.planets().await));
    }
    let lines: Vec<String> = scene
        .service
        .seen()
        .iter()
        .map(|seen| seen.head.lines().next().unwrap().to_owned())
        .collect();
    assert_eq!(
        lines,
        [
            "GET /.well-known/authzen-configuration/tenant1 HTTP/1.1",
            "POST /somewhere/else?tenant=1 HTTP/1.1",
            "POST /somewhere/else?tenant=1 HTTP/1.1",
        ]
    );
    let seen = scene.service.seen();
    assert_eq!(
        header(&seen[0], "authorization"),
        None,
        "metadata is public"
    );
    assert_eq!(header(&seen[1], "authorization"), Some(CREDENTIAL));
}

#[tokio::test]
async fn metadata_of_another_service_is_not_used() {
    let elsewhere = Service::start(|_, _| ok(r#"{"decision":true}"#));
    let elsewhere_url = elsewhere.url();
    let foreign = elsewhere_url.clone();
    let cases: Vec<Document> = vec![
        Box::new(|_| json!({})),
        Box::new(|_| json!([])),
        Box::new(|own| json!({ "policy_decision_point": format!("{own}/tenant1") })),
        Box::new(|own| json!({ "access_evaluation_endpoint": format!("{own}/x") })),
        Box::new(
            |own| json!({ "policy_decision_point": own, "access_evaluation_endpoint": format!("{own}/x") }),
        ),
        Box::new(
            |own| json!({ "policy_decision_point": format!("{own}/tenant1/"), "access_evaluation_endpoint": format!("{own}/x") }),
        ),
        Box::new(
            |own| json!({ "policy_decision_point": format!("{own}/tenant2"), "access_evaluation_endpoint": format!("{own}/x") }),
        ),
        Box::new(
            move |own| json!({ "policy_decision_point": format!("{own}/tenant1"), "access_evaluation_endpoint": format!("{foreign}/x") }),
        ),
        Box::new(
            |own| json!({ "policy_decision_point": format!("{own}/tenant1"), "access_evaluation_endpoint": "http://pdp.example.com/x" }),
        ),
        Box::new(
            |own| json!({ "policy_decision_point": format!("{own}/tenant1"), "access_evaluation_endpoint": "/access/v1/evaluation" }),
        ),
        Box::new(
            |own| json!({ "policy_decision_point": format!("{own}/tenant1"), "access_evaluation_endpoint": [format!("{own}/x")] }),
        ),
        Box::new(|own| {
            let own = own.replace("http://", "http://user@");
            json!({ "policy_decision_point": format!("{own}/tenant1"), "access_evaluation_endpoint": format!("{own}/x") })
        }),
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let scene = with_metadata(&discovering(&[]), move |own, _| case(own));
        let outcome = scene.planets().await;
        assert!(
            matches!(outcome, Err(Unavailable::BadAnswer { .. })),
            "{number}: {outcome:?}"
        );
        let seen = scene.service.seen();
        assert!(
            seen.iter().all(|seen| seen.head.starts_with("GET ")),
            "{number}"
        );
    }
    assert!(elsewhere.seen().is_empty());

    // The same endpoint is asked where it is listed.
    let endpoint = format!("{elsewhere_url}/x");
    let scene = with_metadata(
        &discovering(&[elsewhere_url]),
        move |own, _| json!({ "policy_decision_point": format!("{own}/tenant1"), "access_evaluation_endpoint": endpoint }),
    );
    assert!(permits(&scene.planets().await));
    assert_eq!(elsewhere.seen().len(), 1);
}

#[tokio::test]
async fn metadata_that_could_not_be_used_is_fetched_again() {
    let scene = Scene::new(&discovering(&[]), |index, seen| {
        let own = format!("http://{}", header(seen, "host").unwrap());
        let good = json!({
            "policy_decision_point": format!("{own}/tenant1"),
            "access_evaluation_endpoint": format!("{own}/x"),
        });
        match index {
            0 => Act::Answer(response(404, "", "")),
            1 => Act::Answer(response(200, "content-type: text/html\r\n", "<html>")),
            2 => ok(&good
                .to_string()
                .replace("\"policy", "\"access_evaluation_endpoint\":\"\",\"policy")),
            3 => ok(&good.to_string()),
            _ => ok(r#"{"decision":true}"#),
        }
    });
    for _ in 0..3 {
        assert!(scene.planets().await.is_err());
    }
    assert!(permits(&scene.planets().await));
    assert_eq!(scene.service.seen().len(), 5);
}
