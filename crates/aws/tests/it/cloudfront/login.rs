//! Browsers without a token are sent to a login page.

use portcullis_aws::{
    EdgeOptions, InvalidLogin, LoginRedirect, MAX_LOCATION_BYTES, MAX_LOGIN_BYTES, Origin,
};
use portcullis_model::{Challenge, ChallengeError, Deny, HeaderMap};
use serde_json::Value;

use super::support::{answer_with, deny, event_of, header};

const NAVIGATION: (&str, &str) = ("Accept", "text/html,*/*;q=0.8");

fn options(login: &str) -> EdgeOptions {
    EdgeOptions {
        login: Some(LoginRedirect::parse(login).unwrap()),
        ..EdgeOptions::default()
    }
}

fn answer(event: &Value, denial: Deny, options: &EdgeOptions) -> (Value, Vec<String>) {
    let (answer, json) = answer_with(event, &deny(denial), options).unwrap();
    (
        json,
        answer.notices().iter().map(ToString::to_string).collect(),
    )
}

fn location(denial: Deny, login: &str) -> String {
    let event = event_of("GET", "/a", "", &[NAVIGATION]);
    let (answer, _) = answer(&event, denial, &options(login));
    assert_eq!(answer["status"], "302");
    header(&answer, "location").concat()
}

fn step_up(acr_values: Option<&str>, max_age: Option<u64>) -> Challenge {
    Challenge {
        error: Some(ChallengeError::InsufficientUserAuthentication),
        acr_values: acr_values.map(str::to_owned),
        max_age,
        ..Challenge::default()
    }
}

/// A challenge that another decision point wrote.
fn foreign(values: &[&str]) -> Deny {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append("WWW-Authenticate", value).unwrap();
    }
    Deny {
        headers,
        ..Deny::status(401)
    }
}

#[test]
fn a_navigation_is_redirected_and_can_come_back() {
    let event = event_of(
        "GET",
        "/planets/a%2fb",
        "page=2&x=%26#".trim_end_matches('#'),
        &[NAVIGATION],
    );
    let (answer, notices) = answer(
        &event,
        Deny::challenge(401, Challenge::default()),
        &options("https://login.example.com/start"),
    );
    insta::assert_snapshot!(answer, @r#"{"status":"302","statusDescription":"Found","headers":{"location":[{"key":"Location","value":"https://login.example.com/start?return_to=https%3A%2F%2Fapi.example.com%2Fplanets%2Fa%252fb%3Fpage%3D2%26x%3D%2526"}],"cache-control":[{"key":"Cache-Control","value":"no-store"}]}}"#);
    assert_eq!(notices, [""; 0]);
}

#[test]
fn a_head_request_is_redirected_too() {
    let event = event_of("HEAD", "/", "", &[NAVIGATION]);
    let (answer, _) = answer(
        &event,
        Deny::status(401),
        &options("https://login.example.com"),
    );
    assert_eq!(
        header(&answer, "location"),
        ["https://login.example.com?return_to=https%3A%2F%2Fapi.example.com%2F"]
    );
}

#[test]
fn everything_else_gets_what_was_decided() {
    let login = options("https://login.example.com/");
    let status = |method: &str, uri: &str, status: u16, options: &EdgeOptions| {
        let event = event_of(method, uri, "", &[NAVIGATION]);
        answer(
            &event,
            Deny::challenge(status, Challenge::default()),
            options,
        )
        .0["status"]
            .clone()
    };
    assert_eq!(status("GET", "/", 401, &login), "302");
    assert_eq!(status("GET", "/", 401, &EdgeOptions::default()), "401");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        assert_eq!(status(method, "/", 401, &login), "401");
    }
    for other in [400, 403, 404, 503] {
        assert_eq!(status("GET", "/", other, &login), other.to_string());
    }
    // Where the login page is behind the same function, sending to it again would never end.
    let own = options("https://api.example.com/login?client=1");
    assert_eq!(status("GET", "/login", 401, &own), "401");
    assert_eq!(status("GET", "/login/", 401, &own), "302");
    let own = options("https://API.example.com:443");
    assert_eq!(status("GET", "/", 401, &own), "401");
}

#[test]
fn the_challenge_and_its_body_do_not_go_along() {
    let mut denial = foreign(&["Bearer"]);
    for (name, value) in [
        ("Cache-Control", "public, max-age=60"),
        ("Location", "https://evil.example/"),
        ("Content-Type", "application/json"),
        ("Content-Length", "2"),
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2"),
    ] {
        denial.headers.append(name, value).unwrap();
    }
    denial.body = Some("{}".to_owned());
    let event = event_of("GET", "/", "", &[NAVIGATION]);
    let (answer, notices) = answer(&event, denial, &options("https://login.example.com/"));
    insta::assert_snapshot!(answer, @r#"{"status":"302","statusDescription":"Found","headers":{"location":[{"key":"Location","value":"https://login.example.com/?return_to=https%3A%2F%2Fapi.example.com%2F"}],"cache-control":[{"key":"Cache-Control","value":"no-store"}],"set-cookie":[{"key":"Set-Cookie","value":"a=1"},{"key":"set-cookie","value":"b=2"}]}}"#);
    assert_eq!(
        notices,
        ["header content-length left out: it is not for a function to set in a response"]
    );
}

#[test]
fn the_way_back_is_the_url_that_was_decided_on() {
    let options = EdgeOptions {
        base_url: Some(Origin::parse("https://www.example.com").unwrap()),
        ..options("https://login.example.com/")
    };
    let event = event_of(
        "GET",
        "//evil.example",
        "",
        &[NAVIGATION, ("Referer", "https://evil.example/")],
    );
    let (answer, _) = answer(&event, Deny::status(401), &options);
    assert_eq!(
        header(&answer, "location"),
        ["https://login.example.com/?return_to=https%3A%2F%2Fapi.example.com%2F%2Fevil.example"]
    );
}

/// The URL that is decided on may be another one, which the viewer knows nothing of.
#[test]
fn the_login_page_is_known_by_what_the_viewer_asks_for() {
    let options = EdgeOptions {
        base_url: Some(Origin::parse("https://api.internal.example").unwrap()),
        ..options("https://api.example.com/login")
    };
    let page = event_of("GET", "/login", "", &[NAVIGATION]);
    let (answer, _) = answer(&page, Deny::status(401), &options);
    assert_eq!(answer["status"], "401");
}

#[test]
fn a_step_up_challenge_says_how_to_authenticate() {
    const LOGIN: &str = "https://login.example.com/?client=a%20b";
    const END: &str = "return_to=https%3A%2F%2Fapi.example.com%2Fa";
    for (denial, added) in [
        (
            Deny::challenge(401, step_up(Some("gold silver"), Some(5))),
            "acr_values=gold%20silver&max_age=5&",
        ),
        (
            Deny::challenge(401, step_up(Some("a&b=\r\n"), None)),
            "acr_values=a%26b%3D%0D%0A&",
        ),
        (Deny::challenge(401, step_up(None, Some(0))), "max_age=0&"),
        (Deny::challenge(401, step_up(Some(""), None)), ""),
        (
            Deny {
                challenges: vec![Challenge::default(), step_up(Some("gold"), None)],
                ..foreign(&["Bearer error=\"insufficient_user_authentication\", acr_values=\"no\""])
            },
            "acr_values=gold&",
        ),
        // A challenge of another kind may hold the same parameters; they are not for the user.
        (
            Deny::challenge(
                401,
                Challenge {
                    error: Some(ChallengeError::InvalidToken),
                    ..step_up(Some("gold"), Some(5))
                },
            ),
            "",
        ),
        (
            foreign(&[
                "Bearer",
                "Bearer error=\"insufficient_user_authentication\", acr_values=\"gold silver\", max_age=5",
            ]),
            "acr_values=gold%20silver&max_age=5&",
        ),
        (
            foreign(&[
                "Bearer max_age=\"60\",ACR_VALUES = gold , error=insufficient_user_authentication",
            ]),
            "acr_values=gold&max_age=60&",
        ),
        (
            foreign(&[
                "Bearer error=\"insufficient_user_authentication\", acr_values=\"a\\\"b\\\\\"",
            ]),
            "acr_values=a%22b%5C&",
        ),
        (
            foreign(&[
                "DPoP algs=\"ES256\", error=\"insufficient_user_authentication\", Bearer max_age=9",
            ]),
            "max_age=9&",
        ),
        (
            foreign(&[
                "Bearer error=\"insufficient_user_authentication\", error_description=\"acr_values=x, max_age=1\"",
            ]),
            "",
        ),
        (
            foreign(&["Bearer error=\"insufficient_user_authentication\", max_age=-1"]),
            "",
        ),
        (
            foreign(&["Bearer error=\"insufficient_user_authentication\", acr_values=\"open"]),
            "",
        ),
        (
            foreign(&["Bearer error=\"insufficient_scope\", acr_values=\"gold\""]),
            "",
        ),
    ] {
        let expected = format!("{LOGIN}&{added}{END}");
        assert_eq!(location(denial.clone(), LOGIN), expected, "{denial:?}");
    }
}

#[test]
fn what_is_added_is_bounded() {
    let acr = |bytes: usize| {
        let challenge = step_up(Some(&"a".repeat(bytes)), None);
        location(
            Deny::challenge(401, challenge),
            "https://login.example.com/",
        )
    };
    assert!(acr(1024).contains("acr_values="));
    assert!(!acr(1025).contains("acr_values="));

    let to = |path: usize| {
        let event = event_of("GET", &format!("/{}", "a".repeat(path)), "", &[NAVIGATION]);
        let login = options("https://login.example.com/?x");
        let (answer, notices) = answer(&event, Deny::status(401), &login);
        (header(&answer, "location").concat(), notices)
    };
    let fixed = to(0).0.len();
    let (location, notices) = to(MAX_LOCATION_BYTES - fixed);
    assert_eq!((location.len(), notices.len()), (MAX_LOCATION_BYTES, 0));
    let (location, notices) = to(MAX_LOCATION_BYTES - fixed + 1);
    assert_eq!(location, "https://login.example.com/?x");
    assert_eq!(
        notices,
        ["return_to left out: with it the URL of the login page would be too long"]
    );

    // The longest of everything still fits.
    let start = "https://login.example.com/?";
    let login = format!("{start}{}", "a".repeat(MAX_LOGIN_BYTES - start.len()));
    let challenge = step_up(Some(&" ".repeat(1024)), Some(u64::MAX));
    let event = event_of("GET", &format!("/{}", "~".repeat(8000)), "", &[NAVIGATION]);
    let (answer, _) = answer(&event, Deny::challenge(401, challenge), &options(&login));
    assert!(header(&answer, "location").concat().len() <= MAX_LOCATION_BYTES);
}

#[test]
fn a_login_page_is_a_plain_https_url() {
    for fine in [
        "https://login.example.com",
        "https://login.example.com/",
        "https://login.example.com:8443/a/b?client=1&x=return_to",
        "https://login.example.com/?",
    ] {
        let login = LoginRedirect::parse(fine).unwrap();
        assert!(!format!("{login:?}").contains("client"));
    }
    for (raw, why) in [
        ("http://login.example.com/", InvalidLogin::Scheme),
        (
            "https://login.example.com/?u={url}",
            InvalidLogin::Placeholder,
        ),
        (
            "https://login.example.com/{tenant}",
            InvalidLogin::Placeholder,
        ),
        (
            "https://login.example.com/?a&return_to=x",
            InvalidLogin::Parameter,
        ),
        (
            "https://login.example.com/?ret%75rn_to",
            InvalidLogin::Parameter,
        ),
        (
            "https://login.example.com/?acr_values=a",
            InvalidLogin::Parameter,
        ),
        (
            "https://login.example.com/?max_age=",
            InvalidLogin::Parameter,
        ),
    ] {
        assert_eq!(LoginRedirect::parse(raw).unwrap_err(), why, "{raw}");
    }
    for raw in [
        "",
        "/login",
        "login.example.com",
        "https://",
        "https://user@login.example.com/",
        "https://login.example.com/#a",
        "https://login.example.com/a b",
        "https://login.example.com/\r\n",
        "https://login.example.com/\u{fc}",
    ] {
        assert!(
            matches!(LoginRedirect::parse(raw), Err(InvalidLogin::Url(_))),
            "{raw}"
        );
    }
    let of = |bytes: usize| {
        let start = "https://login.example.com/";
        LoginRedirect::parse(&format!("{start}{}", "a".repeat(bytes - start.len())))
    };
    assert!(of(MAX_LOGIN_BYTES).is_ok());
    assert_eq!(of(MAX_LOGIN_BYTES + 1), Err(InvalidLogin::TooLong));
}
