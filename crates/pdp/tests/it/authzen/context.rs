//! What an answer says beside its decision: obligations and advice, and the challenge of a step-up.

use portcullis_model::{Decision, Outcome, ReasonCode};
use serde_json::{Value, json};

use super::Scene;

fn step_up(acr: &Value) -> Value {
    json!({ "id": "1", "type": "step-up", "properties": { "acr_value": acr } })
}

#[tokio::test]
async fn an_obligation_that_cannot_be_met_makes_a_permit_a_deny() {
    let notification =
        json!({ "id": "2", "type": "notification", "properties": { "to": "x", "body": "s3cret" } });
    for obligations in [
        json!([notification]),
        json!([{}]),
        json!([null]),
        json!(["step-up"]),
        json!([[]]),
        json!({}),
        json!("none"),
        json!(false),
        json!(0),
        json!([{ "id": "1", "type": "session_termination", "properties": { "subject": "carl" } }]),
        json!([{ "id": "1", "type": "step-up" }]),
        json!([{ "id": "1", "type": "step-up", "properties": {} }]),
        json!([{ "type": "step-up", "properties": { "acr_value": "mfa" } }]),
        json!([{ "id": 1, "type": "step-up", "properties": { "acr_value": "mfa" } }]),
        json!([{ "id": "1", "type": "Step-Up", "properties": { "acr_value": "mfa" } }]),
        json!([step_up(&json!(""))]),
        json!([step_up(&json!(7))]),
        json!([step_up(&json!("a b"))]),
        json!([step_up(&json!("a\", realm=\"evil"))]),
        json!([step_up(&json!("a\"b"))]),
        json!([step_up(&json!("a\\b"))]),
        json!([step_up(&json!("a\r\nx: y"))]),
        json!([step_up(&json!("\u{fc}"))]),
        json!([step_up(&json!("x".repeat(257)))]),
        json!([step_up(&json!("mfa")), notification]),
        json!(
            (0..9)
                .map(|n| step_up(&json!(n.to_string())))
                .collect::<Vec<_>>()
        ),
    ] {
        let body = json!({ "decision": true, "context": { "obligations": obligations } });
        let decision = Scene::answering(&body.to_string()).planets().await.unwrap();
        assert_eq!(decision.status(), Some(403), "{body}");
        assert_eq!(decision.reason.code, ReasonCode::DeniedByDecisionPoint);
        assert!(!format!("{decision:?}").contains("s3cret"));
    }
}

fn challenges(decision: &Decision) -> Vec<String> {
    match &decision.outcome {
        Outcome::Deny(deny) => deny.www_authenticate().collect(),
        Outcome::Permit(_) => Vec::new(),
    }
}

#[tokio::test]
async fn a_step_up_is_a_challenge() {
    for (decision, obligations, acr_values) in [
        (false, json!([step_up(&json!("mfa"))]), "mfa"),
        (true, json!([step_up(&json!("mfa"))]), "mfa"),
        (
            false,
            json!([
                step_up(&json!("mfa")),
                step_up(&json!("urn:x:hwk")),
                step_up(&json!("mfa"))
            ]),
            "mfa urn:x:hwk",
        ),
        (false, json!([{}, step_up(&json!("mfa"))]), "mfa"),
    ] {
        let body = json!({ "decision": decision, "context": { "obligations": obligations } });
        let decision = Scene::answering(&body.to_string()).planets().await.unwrap();
        assert_eq!(decision.status(), Some(401), "{body}");
        assert_eq!(
            decision.reason.code,
            ReasonCode::InsufficientUserAuthentication
        );
        assert_eq!(
            challenges(&decision),
            [format!(
                "Bearer realm=\"api\", error=\"insufficient_user_authentication\", \
                 error_description=\"the decision point asks for a stronger authentication\", \
                 acr_values=\"{acr_values}\""
            )]
        );
    }
    for obligations in [json!([{}]), json!(7), json!([step_up(&json!("a b"))])] {
        let body = json!({ "decision": false, "context": { "obligations": obligations } });
        let decision = Scene::answering(&body.to_string()).planets().await.unwrap();
        assert_eq!(decision.status(), Some(403), "{body}");
    }
}
