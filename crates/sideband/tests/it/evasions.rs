//! Attempts to have something taken for a permit, or a secret for a message: every cut, every
//! member, every type, and the ways in which JSON and URLs let one thing be written as another.

use portcullis_model::{Decision, HeaderEdit, Outcome};
use portcullis_sideband::{BadAnswer, SidebandReply, SidebandRequest};
use serde_json::{Value, json};

use crate::support::{MEMBERS, parse, sent, sent_json, with, without};

fn read(text: &str) -> Result<Decision, BadAnswer> {
    SidebandReply::read(text.as_bytes(), &sent())
}

fn is_permit(text: &str) -> bool {
    read(text).is_ok_and(|decision| decision.is_permit())
}

/// A request with every member, and its full echo.
fn full() -> Value {
    let json = with(sent_json(), "body", json!("{\"a\": \"\u{e9}\"}"));
    with(json, "client_certificate", json!({"x5c": ["MIIB"]}))
}

/// Values of every type.
fn of_every_type() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("s3cret"),
        json!([]),
        json!(["s3cret"]),
        json!([{"s3cret": "s3cret", "x": "s3cret"}]),
        json!({}),
        json!({"s3cret": "s3cret"}),
    ]
}

#[test]
fn no_beginning_of_any_answer_is_a_permit() {
    let permit = full();
    let deny = with(full(), "response", json!({"response_code": "403"}));
    let bare = json!({"response": {"response_code": "403"}});
    let sent = parse(&permit);
    for answer in [permit, deny, bare] {
        for text in [
            answer.to_string(),
            serde_json::to_string_pretty(&answer).unwrap(),
        ] {
            for end in 0..text.len() {
                let cut = &text.as_bytes()[..end];
                assert!(SidebandReply::read(cut, &sent).is_err(), "{end}: {text}");
            }
            assert!(SidebandReply::read(text.as_bytes(), &sent).is_ok());
        }
    }
}

#[test]
fn no_end_of_any_answer_is_a_permit() {
    let text = sent_json().to_string();
    for start in 1..text.len() {
        assert!(!is_permit(&text[start..]), "{start}");
    }
}

#[test]
fn no_byte_of_a_permit_can_be_left_out_or_changed_unseen() {
    let text = sent_json().to_string();
    let unedited = read(&text).unwrap().outcome;
    for at in 0..text.len() {
        let mut without = text.clone().into_bytes();
        without.remove(at);
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        for bytes in [without, changed] {
            // Either refused, or an echo with an edit that can be seen.
            match SidebandReply::read(&bytes, &sent()) {
                Err(_) => {}
                Ok(decision) => assert_ne!(
                    decision.outcome,
                    unedited,
                    "{}",
                    String::from_utf8_lossy(&bytes)
                ),
            }
        }
    }
}

#[test]
fn a_member_of_any_other_type_is_refused_and_not_quoted() {
    for member in MEMBERS {
        for value in of_every_type() {
            let text = with(sent_json(), member, value.clone()).to_string();
            match read(&text) {
                Err(error) => {
                    let message = error.to_string();
                    assert!(!message.contains("s3cret"), "{member}: {message}");
                    assert!(message.contains(member), "{member}: {message}");
                }
                Ok(decision) => {
                    assert_eq!((member, &value), ("headers", &json!([])), "{decision:?}");
                }
            }
        }
    }
    for member in ["body", "client_certificate", "state", "response"] {
        for value in of_every_type() {
            let text = with(sent_json(), member, value.clone()).to_string();
            if let Err(error) = read(&text) {
                assert!(!error.to_string().contains("s3cret"), "{member}: {error}");
            }
            assert!(
                member != "response" || !is_permit(&text),
                "{member}: {value}"
            );
        }
    }
}

#[test]
fn a_member_of_the_response_of_any_other_type_is_never_a_permit_nor_quoted() {
    for member in [
        "response_code",
        "response_status",
        "http_version",
        "headers",
        "body",
    ] {
        for value in of_every_type() {
            let response = with(json!({"response_code": "403"}), member, value.clone());
            for echo in [sent_json(), json!({})] {
                match read(&with(echo, "response", response.clone()).to_string()) {
                    Ok(decision) => assert!(!decision.is_permit(), "{member}: {value}"),
                    Err(error) => {
                        let message = error.to_string();
                        assert!(!message.contains("s3cret"), "{member}: {message}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_request_of_any_other_type_is_not_quoted() {
    for member in MEMBERS.into_iter().chain(["body", "client_certificate"]) {
        for value in of_every_type() {
            let text = with(sent_json(), member, value).to_string();
            let request = SidebandRequest::parse(text.as_bytes());
            if let Err(error) = request.and_then(|request| request.to_api_request()) {
                assert!(!error.to_string().contains("s3cret"), "{member}: {error}");
            }
        }
    }
}

#[test]
fn a_member_twice_is_refused_wherever_the_second_stands() {
    let echo = sent_json();
    for member in MEMBERS {
        let again = format!("\"{member}\":{}", echo[member]);
        let text = echo.to_string();
        assert!(!is_permit(&text.replacen('{', &format!("{{{again},"), 1)));
        let (members, _) = text.rsplit_once('}').unwrap();
        assert!(!is_permit(&format!("{members},{again}}}")), "{member}");
    }
    for member in ["body", "client_certificate", "state"] {
        let text = with(sent_json(), member, json!(null)).to_string();
        let (members, _) = text.rsplit_once('}').unwrap();
        assert!(
            !is_permit(&format!("{members},\"{member}\":null}}")),
            "{member}"
        );
    }
}

#[test]
fn a_response_is_seen_however_its_name_is_written() {
    let text = sent_json().to_string();
    let (members, _) = text.rsplit_once('}').unwrap();
    let body = r#"{"response_code":"403"}"#;
    for name in [
        "response",
        r"\u0072esponse",
        r"respons\u0065",
        r"\u0072\u0065\u0073\u0070\u006f\u006e\u0073\u0065",
    ] {
        for text in [
            format!("{members},\"{name}\":{body}}}"),
            format!("{members} ,\t\"{name}\" :\r\n {body} }}"),
            text.replacen('{', &format!("{{\"{name}\":{body},"), 1),
        ] {
            assert!(!read(&text).unwrap().is_permit(), "{text}");
        }
        let twice = format!("{members},\"{name}\":{body},\"response\":{body}}}");
        assert!(!is_permit(&twice), "{twice}");
    }
    // Beside the echo, not inside one of its members.
    let inside = with(
        sent_json(),
        "client_certificate",
        json!({"x5c": [], "response": {"response_code": "403"}}),
    );
    assert!(is_permit(&inside.to_string()));
}

#[test]
fn other_encodings_than_utf_8_are_refused() {
    let text = sent_json().to_string();
    let utf_16 = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect::<Vec<u8>>()
    };
    let marked = format!("\u{feff}{text}").into_bytes();
    for bytes in [utf_16(u16::to_le_bytes), utf_16(u16::to_be_bytes), marked] {
        assert!(SidebandReply::read(&bytes, &sent()).is_err());
    }
    for member in MEMBERS {
        let mut bytes = text.clone().into_bytes();
        let at = text.find(&format!("\"{member}\":")).unwrap() + member.len() + 4;
        bytes[at] = 0xff;
        assert!(SidebandReply::read(&bytes, &sent()).is_err(), "{member}");
    }
}

#[test]
fn another_host_is_refused_however_it_is_written() {
    for url in [
        "https://api.example.com.:443/planets?x=1",
        "https://api.example.com./planets?x=1",
        "https://api%2eexample.com/planets?x=1",
        "https://api.example.com\\@evil.example/planets?x=1",
        "https://api.example.com%40evil.example/planets?x=1",
        "https://api.example.com:443@evil.example/planets?x=1",
        "https://evil.example#@api.example.com/planets?x=1",
        "https://evil.example?@api.example.com/planets?x=1",
        "https://api.example.com:0443x/planets?x=1",
        "https://api.example.com:/planets?x=1",
        "https://api.example.com:80/planets?x=1",
        "https://api.example.com:65979/planets?x=1",
        "https:///planets?x=1",
        "https:api.example.com/planets?x=1",
        "//api.example.com/planets?x=1",
        "wss://api.example.com/planets?x=1",
        "http://api.example.com:443/planets?x=1",
        " https://api.example.com/planets?x=1",
        "https://api.example.com/planets?x=1\n",
        "https://\u{430}pi.example.com/planets?x=1",
        "https://[::1]/planets?x=1",
    ] {
        let text = with(sent_json(), "url", json!(url)).to_string();
        assert!(read(&text).is_err(), "{url}");
    }
}

#[test]
fn the_path_of_a_permit_that_goes_elsewhere_is_an_edit() {
    for url in [
        "https://api.example.com/",
        "https://api.example.com",
        "https://api.example.com/planets/?x=1",
        "https://api.example.com//planets?x=1",
        "https://api.example.com/a/../planets?x=1",
        "https://api.example.com/%70lanets?x=1",
        "https://api.example.com/Planets?x=1",
        "https://api.example.com/planets",
        "https://api.example.com/planets?x=1&x=2",
    ] {
        let text = with(sent_json(), "url", json!(url)).to_string();
        let Outcome::Permit(edits) = read(&text).unwrap().outcome else {
            panic!("{url}")
        };
        assert_eq!(edits.url.as_deref(), Some(url));
    }
}

#[test]
fn an_answer_for_another_client_is_refused() {
    let v6 = with(sent_json(), "source_ip", json!("2001:db8::1"));
    for (sent, other) in [
        (sent_json(), "192.0.2.70"),
        (sent_json(), "192.0.2"),
        (sent_json(), "192.0.2.007"),
        (sent_json(), "::ffff:192.0.2.7"),
        (sent_json(), "192.0.2.7, 192.0.2.7"),
        (sent_json(), " 192.0.2.7"),
        (sent_json(), ""),
        (v6.clone(), "2001:db8::2"),
        (v6, "2001:db8::1%eth0"),
    ] {
        let echo = with(sent.clone(), "source_ip", json!(other)).to_string();
        let refused = SidebandReply::read(echo.as_bytes(), &parse(&sent)).unwrap_err();
        let member = "source_ip";
        assert_eq!(refused, BadAnswer::OtherRequest { member }, "{other}");
    }
}

#[test]
fn every_status_is_one_that_a_client_can_be_given() {
    for status in 0..=1000_u16 {
        for code in [json!(status), json!(status.to_string())] {
            let response = json!({"response_code": code});
            let read = read(&with(sent_json(), "response", response).to_string());
            let ok = matches!(status, 200..=599);
            assert_eq!(read.is_ok(), ok, "{status}");
            assert!(!read.is_ok_and(|decision| decision.is_permit()), "{status}");
        }
    }
    for code in [
        "",
        " 403",
        "403 ",
        "+403",
        "-403",
        "4.03e2",
        "0x193",
        "\u{664}\u{660}\u{663}",
        "65939",
    ] {
        let response = json!({"response_code": code});
        let text = with(sent_json(), "response", response).to_string();
        assert!(read(&text).is_err(), "{code}");
    }
}

#[test]
fn a_header_that_changes_its_owner_is_seen() {
    let edits = |headers: Value| match read(&with(sent_json(), "headers", headers).to_string())
        .unwrap()
        .outcome
    {
        Outcome::Permit(edits) => edits.headers,
        Outcome::Deny(deny) => panic!("{deny:?}"),
    };
    let edit = |name: &str, values: &[&str]| HeaderEdit {
        name: name.into(),
        values: values.iter().map(|&value| value.into()).collect(),
    };
    let (accept, token) = (
        json!({"accept": "*/*"}),
        json!({"authorization": "Bearer s3cret"}),
    );
    let (a, b) = (json!({"x-multi": "a"}), json!({"x-multi": "b"}));
    // Order counts within a name and nowhere else.
    assert_eq!(
        edits(json!([b, token, a, accept])),
        [edit("x-multi", &["b", "a"])]
    );
    assert_eq!(edits(json!([a, b, token, accept])), []);
    // A second token beside the first is an edit, not a spelling.
    assert_eq!(
        edits(json!([accept, token, {"AUTHORIZATION": "Bearer other"}, a, b])),
        [edit("authorization", &["Bearer s3cret", "Bearer other"])]
    );
    assert_eq!(edits(json!([accept, a, b])), [edit("Authorization", &[])]);
    assert_eq!(
        edits(json!([accept, {"authorization": ""}, a, b])),
        [edit("authorization", &[""])]
    );
}

#[test]
fn what_a_gateway_leaves_out_is_refused() {
    for member in MEMBERS {
        let request = SidebandRequest::parse(without(sent_json(), member).to_string().as_bytes());
        let optional = member == "http_version";
        assert_eq!(request.is_ok(), optional, "{member}");
    }
}

#[test]
fn text_that_is_not_utf_8_is_no_json_wherever_it_stands() {
    // Also in members that nobody reads, where the parser does not look at it (RFC 8259 section
    // 8.1): another reader would refuse the whole.
    for member in ["state", "unknown", "body"] {
        let text = with(sent_json(), member, json!("@")).to_string();
        assert!(is_permit(&text), "the control: {member}");
        let bytes: Vec<u8> = text
            .bytes()
            .map(|byte| if byte == b'@' { 0xff } else { byte })
            .collect();
        assert!(SidebandReply::read(&bytes, &sent()).is_err(), "{member}");
        assert!(SidebandRequest::parse(&bytes).is_err(), "{member}");
    }
}
