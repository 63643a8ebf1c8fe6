//! Which `Accept` headers are those of a navigation.

use portcullis_aws::{EdgeOptions, LoginRedirect};
use portcullis_model::Deny;

use super::support::{answer_with, deny, event_of};

fn is_navigation(accept: &[&str]) -> bool {
    let headers: Vec<_> = accept.iter().map(|value| ("Accept", *value)).collect();
    let options = EdgeOptions {
        login: Some(LoginRedirect::parse("https://login.example.com/").unwrap()),
        ..EdgeOptions::default()
    };
    let event = event_of("GET", "/", "", &headers);
    let (_, answer) = answer_with(&event, &deny(Deny::status(401)), &options).unwrap();
    answer["status"] == "302"
}

#[test]
fn a_browser_that_follows_a_link_is_told_from_a_script() {
    for accept in [
        // Firefox, Chrome, Safari.
        &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"][..],
        &[
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,\
           */*;q=0.8,application/signed-exchange;v=b3;q=0.7",
        ],
        &["text/html"],
        &["TEXT/HTML ; Q=0.5"],
        &["text/html;level=1;q=1.000, application/json;q=0.999"],
        &["application/xhtml+xml;q=0.1", "text/html;q=0.1"],
    ] {
        assert!(is_navigation(accept), "{accept:?}");
    }
    for accept in [
        &[][..],
        &[""],
        &["*/*"],
        &["text/*"],
        &["application/json"],
        &["application/json, text/plain, */*"],
        &["text/html, application/json"],
        &["text/html, application/problem+json"],
        &["text/html;q=0.9, application/json"],
        &["text/html;q=0.9", "image/png"],
        &["text/html;q=0"],
        &["text/html;q=0.0, image/png;q=0"],
        &["text/html;q=2"],
        &["text/html;q=1.001"],
        &["text/html;q=0.9999"],
        &["text/html;q=-0"],
        &["text/html;q="],
        &["text/html;q=0.5, image/png;q=x"],
        &["text/htmlx"],
        &["application/json;x=\"text/html\""],
    ] {
        assert!(!is_navigation(accept), "{accept:?}");
    }
}
