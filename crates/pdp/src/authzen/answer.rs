//! What an AuthZEN service answered (AuthZEN Authorization API 1.0, "Access Evaluation Response";
//! AuthZEN Obligations Profile 1.0, draft 1).
//!
//! A permit is `"decision": true` in a JSON object that names no member twice, of an answer with status
//! 200 and `application/json`, and with no obligation. The obligations profile lets a permit count only
//! if every obligation was met, and nothing here can send notifications or end sessions. One obligation
//! has a form in HTTP: `step-up` is the challenge of RFC 9470, beside a permit and a deny alike.

use portcullis_jose::parse_json_object;
use serde_json::{Map, Value};

use crate::decision_point::Unavailable;
use crate::http::HttpResponse;

/// Largest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Longest authentication context class of a challenge, in bytes.
const MAX_ACR_BYTES: usize = 256;
/// Most authentication context classes of a challenge.
const MAX_ACRS: usize = 8;

/// What came out of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluation {
    /// The request may go on.
    Permit,
    /// It may not.
    Deny,
    /// It might, if an obligation were met that is not understood here; so it may not.
    ObligationUnmet,
    /// It may not, before the user has authenticated in one of these ways.
    StepUp {
        /// Authentication context classes, separated by spaces (RFC 9470 section 3).
        acr_values: String,
    },
}

/// Reads the answer to the question of that id, of status 200.
pub(super) fn read(response: &HttpResponse, id: &str) -> Result<Evaluation, Unavailable> {
    same_id(response, id)?;
    let answer = json_object(response)?;
    let permits = match answer.get("decision") {
        Some(Value::Bool(permits)) => *permits,
        Some(_) => return Err(bad("expected the member decision to be true or false")),
        None => return Err(bad("expected the member decision, which is not there")),
    };
    let context = match answer.get("context") {
        None | Some(Value::Null) => None,
        Some(Value::Object(context)) => Some(context),
        Some(_) => return Err(bad("expected the member context to be an object")),
    };
    Ok(evaluation(
        permits,
        &Obligations::of(context.and_then(|context| context.get("obligations"))),
    ))
}

/// The JSON object in a response, under the rules for everything that a service says: one content type
/// `application/json`, no member twice, not too deep.
pub(super) fn json_object(response: &HttpResponse) -> Result<Map<String, Value>, Unavailable> {
    let mut types = response.headers.get_all("content-type").iter();
    let json = match (types.next(), types.next()) {
        (Some(value), None) => value.to_str().is_ok_and(|value| {
            let media_type = value.split(';').next().unwrap_or_default();
            media_type.trim().eq_ignore_ascii_case("application/json")
        }),
        _ => false,
    };
    if !json {
        return Err(bad("expected the content type application/json"));
    }
    parse_json_object(&response.body).map_err(|error| bad(&format!("the JSON is refused: {error}")))
}

pub(super) fn bad(cause: &str) -> Unavailable {
    Unavailable::BadAnswer {
        cause: cause.to_owned(),
    }
}

/// A service that names the request it answers must name the one that was sent: another name is another
/// request's, and so may be the answer.
fn same_id(response: &HttpResponse, id: &str) -> Result<(), Unavailable> {
    let mut named = response.headers.get_all("x-request-id").iter();
    if named.all(|value| value.as_bytes() == id.as_bytes()) {
        Ok(())
    } else {
        Err(bad(
            "its X-Request-ID is not the one of the question (AuthZEN 1.0 wants the same one back; does a proxy replace it?)",
        ))
    }
}

/// What a service asks to be done.
#[derive(Default)]
struct Obligations {
    /// The authentication context classes of all `step-up` obligations.
    step_up: Vec<String>,
    /// Whether there is one that cannot be met, or that cannot be read.
    others: bool,
}

impl Obligations {
    fn of(member: Option<&Value>) -> Self {
        let mut obligations = Self::default();
        let list = match member {
            None | Some(Value::Null) => return obligations,
            Some(Value::Array(list)) => list,
            Some(_) => {
                obligations.others = true;
                return obligations;
            }
        };
        for obligation in list {
            match step_up(obligation) {
                Some(acr) if obligations.step_up.contains(&acr) => {}
                Some(acr) if obligations.step_up.len() < MAX_ACRS => obligations.step_up.push(acr),
                _ => obligations.others = true,
            }
        }
        obligations
    }
}

/// The authentication context class of a `step-up` obligation, in characters that a challenge can hold.
fn step_up(obligation: &Value) -> Option<String> {
    let text = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
    text(obligation, "id")?;
    if text(obligation, "type")? != "step-up" {
        return None;
    }
    let acr = text(obligation.get("properties")?, "acr_value")?;
    let sendable = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    let good = (1..=MAX_ACR_BYTES).contains(&acr.len()) && acr.bytes().all(sendable);
    good.then_some(acr)
}

fn evaluation(permits: bool, obligations: &Obligations) -> Evaluation {
    if obligations.others {
        tracing::warn!(
            permits,
            "the decision point asks for an obligation that cannot be met here"
        );
    }
    let step_up = Evaluation::StepUp {
        acr_values: obligations.step_up.join(" "),
    };
    match (permits, obligations.others, obligations.step_up.is_empty()) {
        (true, false, true) => Evaluation::Permit,
        // Stepping up would not help: the other obligation would still be unmet.
        (true, true, _) => Evaluation::ObligationUnmet,
        (true, false, false) | (false, _, false) => step_up,
        (false, _, true) => Evaluation::Deny,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn evaluate(body: &str) -> Result<Evaluation, Unavailable> {
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        headers.insert("content-type", json);
        let body = body.to_owned().into();
        let response = HttpResponse {
            status: 200,
            headers,
            body,
        };
        read(&response, "id")
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "(true|True|TRUE|permit|allow|step-up|[ -~]{0,8})".prop_map(Value::from),
        ];
        let name = "(decision|Decision|decisions|context|obligations|id|type|properties|acr_value|evaluations|[a-z]{1,4})";
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(name, inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// What the profile calls a permit, written down once more and in another way.
    fn permits(answer: &Value) -> bool {
        let obligations = &answer["context"]["obligations"];
        answer.is_object()
            && answer["decision"] == Value::Bool(true)
            && matches!(answer["context"], Value::Null | Value::Object(_))
            && (obligations.is_null() || obligations.as_array().is_some_and(Vec::is_empty))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn only_a_true_decision_without_obligations_permits(answer in json()) {
            let permitted = evaluate(&answer.to_string()) == Ok(Evaluation::Permit);
            prop_assert_eq!(permitted, permits(&answer), "{}", answer);
        }

        #[test]
        fn a_permit_with_a_context_is_one_only_without_obligations(context in json(), decision in any::<bool>()) {
            let answer = serde_json::json!({ "decision": decision, "context": context });
            let permitted = evaluate(&answer.to_string()) == Ok(Evaluation::Permit);
            prop_assert_eq!(permitted, permits(&answer), "{}", answer);
        }

        #[test]
        fn no_text_permits_that_does_not_say_so(
            text in "\\PC{0,20}|[{}\\[\\]\":, a-z]{0,40}",
            at in 0..32_usize,
            byte in any::<u8>(),
        ) {
            let mut changed = br#"{"context":{},"decision":true}"#.to_vec();
            if let Some(place) = changed.get_mut(at) {
                *place = byte;
            }
            for text in [text.as_bytes(), &changed[..]] {
                let Ok(text) = str::from_utf8(text) else { continue };
                if evaluate(text) == Ok(Evaluation::Permit) {
                    let answer: Value = serde_json::from_str(text).unwrap();
                    prop_assert_eq!(&answer["decision"], &Value::Bool(true));
                }
            }
        }
    }
}
