//! Which answers of an AuthZEN service are permits and denies, and all that are neither.

use portcullis_model::ReasonCode;
use portcullis_pdp::Unavailable;
use portcullis_pdp::authzen::MAX_ANSWER_BYTES;

use super::{JSON, Scene, Setup, header, permits};
use crate::service::{Act, Service, ok, response};

#[tokio::test]
async fn a_deny_is_a_deny() {
    let reasons = r#"{"decision":false,"context":{"reason_user":{"403":"no"},"reason":"s3cret"}}"#;
    for body in [r#"{"decision":false}"#, reasons] {
        let decision = Scene::answering(body).planets().await.unwrap();
        assert_eq!(decision.status(), Some(403));
        assert_eq!(decision.reason.code, ReasonCode::DeniedByDecisionPoint);
        assert_eq!(decision.principal.as_deref(), Some("carl"));
        assert!(!format!("{decision:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn what_is_understood_and_permits_is_a_permit() {
    for body in [
        r#"{"decision":true}"#,
        r#" {"decision" : true , "context": {}} "#,
        r#"{"context":{"reason":"x"},"decision":true,"evaluations":[{"decision":false}]}"#,
        r#"{"decision":true,"context":null}"#,
        r#"{"decision":true,"context":{"obligations":[]}}"#,
        r#"{"decision":true,"context":{"obligations":null}}"#,
        r#"{"\u0064ecision":true}"#,
    ] {
        assert!(permits(&Scene::answering(body).planets().await), "{body}");
    }
    for content_type in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json;x=y",
    ] {
        let head = format!("content-type: {content_type}\r\n");
        let scene = Scene::new(&Setup::default(), move |_, _| {
            Act::Answer(response(200, &head, r#"{"decision":true}"#))
        });
        assert!(permits(&scene.planets().await), "{content_type}");
    }
}

#[tokio::test]
async fn no_other_text_is_an_answer() {
    let deep = format!(
        r#"{{"decision":true,"context":{{"x":{}{}}}}}"#,
        "[".repeat(64),
        "]".repeat(64)
    );
    let many = format!(
        r#"{{"decision":true,"context":{{"x":[{}0]}}}}"#,
        "0,".repeat(5000)
    );
    for body in [
        "",
        " ",
        "{}",
        "null",
        "true",
        "\"true\"",
        "[]",
        "[true]",
        r#"[{"decision":true}]"#,
        r#"[["decision",true]]"#,
        r#"{"decision":"true"}"#,
        r#"{"decision":1}"#,
        r#"{"decision":null}"#,
        r#"{"decision":[true]}"#,
        r#"{"decision":{"decision":true}}"#,
        r#"{"Decision":true}"#,
        r#"{"decision ":true}"#,
        r#"{"allow":true}"#,
        r#"{"evaluations":[{"decision":true}]}"#,
        r#"{"context":{"decision":true}}"#,
        r#"{"decision":true,"decision":true}"#,
        r#"{"decision":false,"decision":true}"#,
        r#"{"decision":true,"decision":false}"#,
        r#"{"decision":false,"\u0064ecision":true}"#,
        r#"{"decision":true,"context":{"a":1,"a":1}}"#,
        r#"{"decision":true,"context":{"obligations":[],"obligations":[]}}"#,
        r#"{"decision":true,"context":[]}"#,
        r#"{"decision":true,"context":"x"}"#,
        r#"{"decision":true,"context":false}"#,
        r#"{"decision":true"#,
        r#"{"decision":t"#,
        r#"{"decision":true}}"#,
        r#"{"decision":true}{"decision":false}"#,
        r#"{"decision":true,}"#,
        r"{'decision':true}",
        r#"{"decision":True}"#,
        "\u{feff}{\"decision\":true}",
        r#"{"decision":true,"context":{"x":"\ud800"}}"#,
        "<html>true</html>",
        &deep,
        &many,
    ] {
        let outcome = Scene::answering(body).planets().await;
        assert!(
            matches!(outcome, Err(Unavailable::BadAnswer { .. })),
            "{body}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_permit_of_another_kind_is_no_answer() {
    let permit = r#"{"decision":true}"#;
    for head in [
        "",
        "content-type: text/html\r\n",
        "content-type: text/plain\r\n",
        "content-type: application/problem+json\r\n",
        "content-type: application/jsonx\r\n",
        "content-type: application/json, text/html\r\n",
        "content-type: application/json\r\ncontent-type: text/html\r\n",
        "content-type: \r\n",
        "content-type: application/json\r\nx-request-id: another\r\n",
    ] {
        let scene = Scene::new(&Setup::default(), move |_, _| {
            Act::Answer(response(200, head, permit))
        });
        let outcome = scene.planets().await;
        assert!(
            matches!(outcome, Err(Unavailable::BadAnswer { .. })),
            "{head}: {outcome:?}"
        );
    }
    let echoing = Scene::new(&Setup::default(), move |_, seen| {
        let id = header(seen, "x-request-id").unwrap();
        let head = format!("{JSON}x-request-id: {id}\r\n");
        Act::Answer(response(200, &head, permit))
    });
    assert!(permits(&echoing.planets().await));
    for size in [MAX_ANSWER_BYTES + 1, 10 * MAX_ANSWER_BYTES] {
        let huge = format!("{permit}{}", " ".repeat(size - permit.len()));
        let outcome = Scene::answering(&huge).planets().await;
        assert!(
            matches!(outcome, Err(Unavailable::BadAnswer { .. })),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn no_other_status_is_an_answer() {
    for status in [
        201, 202, 203, 204, 205, 206, 226, 300, 304, 400, 401, 403, 404, 405, 409, 413, 415, 500,
        501, 503, 599,
    ] {
        let scene = Scene::new(&Setup::default(), move |_, _| {
            // A body after 204 or 304 would be the next answer, so that the connection ends.
            Act::AnswerAndClose(response(status, JSON, r#"{"decision":true}"#))
        });
        let outcome = scene.planets().await;
        let is_status = matches!(
            outcome,
            Err(Unavailable::Status { status: got, .. }) if got == status
        );
        assert!(is_status, "{status}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let elsewhere = Service::start(|_, _| ok(r#"{"decision":true}"#));
    for status in [301, 302, 303, 307, 308] {
        let head = format!(
            "{JSON}location: {}/access/v1/evaluation\r\n",
            elsewhere.url()
        );
        let scene = Scene::new(&Setup::default(), move |_, _| {
            Act::Answer(response(status, &head, r#"{"decision":true}"#))
        });
        assert!(scene.planets().await.is_err(), "{status}");
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let whole = response(200, JSON, r#"{"decision":true}"#);
    let cut: Vec<Vec<u8>> = [0, 10, whole.len() - 17, whole.len() - 1]
        .iter()
        .map(|length| whole[..*length].to_vec())
        .collect();
    for beginning in cut {
        let shown = String::from_utf8_lossy(&beginning).into_owned();
        let scene = Scene::new(&Setup::default(), move |_, _| {
            Act::AnswerAndClose(beginning.clone())
        });
        let outcome = scene.planets().await;
        assert!(
            matches!(outcome, Err(Unavailable::Network { .. })),
            "{shown}: {outcome:?}"
        );
    }
}
