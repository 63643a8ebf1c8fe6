//! What holds for all input.

use portcullis_model::{Decision, Deny, HeaderEdit, Outcome, Reason, ReasonCode, RequestEdits};
use portcullis_sideband::{SidebandReply, SidebandRequest};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::support::{MEMBERS, api_request, sent, sent_json};

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(Value::from("GET")),
        Just(Value::from("401")),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let name = prop_oneof![
            ".{0,4}",
            prop::sample::select(MEMBERS.to_vec()).prop_map(str::to_owned),
            Just("response".to_owned()),
            Just("response_code".to_owned()),
        ];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((name, inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn header() -> impl Strategy<Value = (String, String)> {
    ("[A-Za-z][A-Za-z0-9-]{0,8}", "[!-~]([ -~]{0,12}[!-~])?")
}

fn request() -> impl Strategy<Value = SidebandRequest> {
    (
        "[A-Z]{1,8}",
        "(/[a-z%2f.]{0,6}){0,3}",
        vec(header(), 0..8),
        prop::option::of(".{0,16}"),
    )
        .prop_map(|(method, path, headers, body)| {
            let headers: Vec<_> = headers.iter().map(|(n, v)| (&**n, &**v)).collect();
            let mut request = api_request(&method, &format!("https://a.example{path}?q"), &headers);
            request.body = body;
            SidebandRequest::from_api_request(&request)
        })
}

fn round_trip(sent: &SidebandRequest, outcome: Outcome) -> Decision {
    let mut decision = Decision::permit(Reason::new(ReasonCode::Permitted, "permitted"));
    decision.outcome = outcome;
    let reply = SidebandReply::from_decision(sent, &decision, None);
    SidebandReply::read(&serde_json::to_vec(&reply).unwrap(), sent).unwrap()
}

proptest! {
    #[test]
    fn no_input_panics(bytes in vec(any::<u8>(), 0..256)) {
        let _ = SidebandRequest::parse(&bytes).map(|request| request.to_api_request());
        let _ = SidebandReply::read(&bytes, &sent());
    }

    #[test]
    fn a_full_echo_cut_anywhere_is_refused(end in 0..200_usize) {
        let echo = sent_json().to_string();
        let cut = &echo.as_bytes()[..end.min(echo.len() - 1)];
        prop_assert!(SidebandReply::read(cut, &sent()).is_err());
    }

    #[test]
    fn arbitrary_json_is_no_permit(json in json()) {
        let decision = SidebandReply::read(json.to_string().as_bytes(), &sent());
        prop_assert!(!decision.is_ok_and(|decision| decision.is_permit()));
    }

    #[test]
    fn an_echo_with_one_member_replaced_is_a_permit_only_if_it_is_whole(
        member in prop::sample::select(MEMBERS.to_vec()),
        value in json(),
    ) {
        let mut echo = sent_json();
        echo[member] = value.clone();
        let permit = SidebandReply::read(echo.to_string().as_bytes(), &sent())
            .is_ok_and(|decision| decision.is_permit());
        let typed = match member {
            "headers" => value.is_array(),
            "source_port" => value.is_u64() || value.is_string(),
            _ => value.is_string(),
        };
        prop_assert!(!permit || typed);
    }

    #[test]
    fn a_response_is_never_a_permit(response in json()) {
        let mut echo = sent_json();
        echo["response"] = response;
        let decision = SidebandReply::read(echo.to_string().as_bytes(), &sent());
        prop_assert!(!decision.is_ok_and(|decision| decision.is_permit()));
    }

    #[test]
    fn a_request_crosses_the_wire(sent in request()) {
        let json = serde_json::to_vec(&sent).unwrap();
        let received = SidebandRequest::parse(&json).unwrap();
        prop_assert_eq!(&received, &sent);
        let back = SidebandRequest::from_api_request(&received.to_api_request().unwrap());
        prop_assert_eq!(back, sent);
    }

    #[test]
    fn a_permit_crosses_the_wire(sent in request(), set in header(), path in "/[a-z]{0,6}") {
        let untouched = round_trip(&sent, Outcome::Permit(RequestEdits::default()));
        prop_assert_eq!(untouched.outcome, Outcome::Permit(RequestEdits::default()));
        let edits = RequestEdits {
            headers: vec![HeaderEdit { name: format!("X-Set-{}", set.0), values: vec![set.1] }],
            url: Some(format!("https://a.example{path}?edited")),
            body: None,
        };
        let read = round_trip(&sent, Outcome::Permit(edits.clone()));
        prop_assert_eq!(read.outcome, Outcome::Permit(edits));
    }

    #[test]
    fn a_deny_crosses_the_wire(
        sent in request(),
        status in 200..=599_u16,
        headers in vec(header(), 0..8),
        body in prop::option::of(".{0,32}"),
    ) {
        let mut deny = Deny::status(status);
        for (name, value) in &headers {
            deny.headers.append(&format!("x-{name}"), value).unwrap();
        }
        deny.body = body;
        let read = round_trip(&sent, Outcome::Deny(deny.clone()));
        prop_assert_eq!(read.outcome, Outcome::Deny(deny));
    }
}
