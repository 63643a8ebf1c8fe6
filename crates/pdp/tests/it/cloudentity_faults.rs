//! A control plane that is slow, refuses, or answers nonsense: the last good configuration goes on, nothing is let
//! through that it denies, and everything is well again once the control plane is.

use std::sync::Arc;
use std::time::Duration;

use portcullis_pdp::cloudentity::{CloudentityPoint, ConfigurationCopy};
use serde_json::json;

use crate::control_plane::{
    Fault, INTERVAL, MAX_AGE, Part, Plane, TOKEN_LIFETIME, decided, options,
};

const SECRET: &str = "first s3cret";
/// How long a control plane is waited for that says nothing.
const PATIENCE: Duration = Duration::from_millis(200);

/// What `/pets` and `/blocked` say to somebody with a password and to nobody.
async fn all(point: &CloudentityPoint, token: &str) -> [String; 4] {
    [
        decided(point, "/pets", Some(token)).await,
        decided(point, "/pets", None).await,
        decided(point, "/blocked", Some(token)).await,
        decided(point, "/elsewhere", Some(token)).await,
    ]
}

const BEFORE: [&str; 4] = [
    "allow permitted",
    "deny denied_by_policy",
    "deny denied_by_policy",
    "deny unknown_api",
];
const AFTER: [&str; 4] = [
    "deny denied_by_policy",
    "deny denied_by_policy",
    "allow unrestricted",
    "deny unknown_api",
];

#[tokio::test]
async fn whatever_goes_wrong_the_last_configuration_goes_on_and_the_next_one_comes() {
    for part in [Part::Configuration, Part::Token] {
        let plane = Plane::start();
        let folder = tempfile::tempdir().unwrap();
        let mut options = options();
        options.copy = Some(ConfigurationCopy::at(folder.path().join("copy.json")));
        let point = plane.impatient_point(SECRET, options, PATIENCE);
        point.refresh().await;
        for fault in Fault::ALL {
            let token = plane.token(&json!({ "amr": ["pwd"] }));
            assert_eq!(all(&point, &token).await, BEFORE, "before {fault:?}");
            plane.configure(|one| {
                one["apis"][0]["policy_id"] = json!("block");
                one["apis"][2]["policy_id"] = json!("");
            });
            plane.fault(Some((part, fault)));
            // So that another token is needed, too.
            plane.clock.advance(Duration::from_secs(TOKEN_LIFETIME));
            for _ in 0..2 {
                point.refresh().await;
                assert_eq!(all(&point, &token).await, BEFORE, "{fault:?} of {part:?}");
            }
            plane.fault(None);
            point.refresh().await;
            assert_eq!(
                all(&point, &token).await,
                AFTER,
                "after {fault:?} of {part:?}"
            );
            plane.configure(|one| {
                one["apis"][0]["policy_id"] = json!("pwd");
                one["apis"][2]["policy_id"] = json!("block");
            });
            point.refresh().await;
        }
    }
}

#[tokio::test]
async fn whatever_goes_wrong_at_the_start_nothing_is_let_through() {
    for part in [Part::Configuration, Part::Token] {
        let plane = Plane::start();
        for fault in Fault::ALL {
            plane.fault(Some((part, fault)));
            let point = plane.impatient_point(SECRET, options(), PATIENCE);
            for path in ["/open", "/pets"] {
                let found = decided(&point, path, None).await;
                assert!(found.starts_with("no decision"), "{fault:?}: {found}");
            }
            plane.fault(None);
            // The next request asks again.
            assert_eq!(decided(&point, "/open", None).await, "allow unrestricted");
        }
    }
}

#[tokio::test]
async fn while_the_control_plane_says_nothing_requests_do_not_wait() {
    let plane = Plane::start();
    let token = plane.token(&json!({ "amr": ["pwd"] }));
    let point = Arc::new(plane.point(SECRET, options()));
    assert_eq!(all(&point, &token).await, BEFORE);
    plane.fault(Some((Part::Configuration, Fault::Silence)));
    plane.clock.advance(INTERVAL);
    assert!(point.wants_refresh());
    let before = plane.count(Part::Configuration);
    let refresh = tokio::spawn({
        let point = Arc::clone(&point);
        async move { point.refresh().await }
    });
    plane.asked_after(Part::Configuration, before).await;
    for _ in 0..100 {
        assert_eq!(all(&point, &token).await, BEFORE);
    }
    assert!(!refresh.is_finished(), "it is asked all the while");
    assert_eq!(plane.count(Part::Configuration), before + 1);
    plane.configure(|one| {
        one["apis"][0]["policy_id"] = json!("block");
        one["apis"][2]["policy_id"] = json!("");
    });
    plane.fault(None);
    refresh.await.unwrap();
    assert_eq!(all(&point, &token).await, AFTER);
}

#[tokio::test]
async fn a_control_plane_that_is_away_is_asked_less_often_and_not_left_alone_for_long() {
    let plane = Plane::start();
    let point = plane.point(SECRET, options());
    point.refresh().await;
    plane.fault(Some((Part::Configuration, Fault::Status(503))));
    let mut pauses = Vec::new();
    let mut pause = 0;
    while pauses.len() < 8 {
        plane.clock.advance(Duration::from_secs(1));
        pause += 1;
        if point.wants_refresh() {
            point.refresh().await;
            pauses.push(pause);
            pause = 0;
        }
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 160, 160]);
    plane.fault(None);
    plane.clock.advance(Duration::from_secs(160));
    assert!(point.wants_refresh());
    point.refresh().await;
    plane.clock.advance(INTERVAL);
    assert!(point.wants_refresh(), "as before");
}

#[tokio::test]
async fn a_configuration_that_is_too_old_decides_nothing() {
    let plane = Plane::start();
    let point = plane.point(SECRET, options());
    assert_eq!(decided(&point, "/open", None).await, "allow unrestricted");
    plane.fault(Some((Part::Configuration, Fault::Status(500))));
    plane.clock.advance(MAX_AGE);
    assert_eq!(decided(&point, "/open", None).await, "allow unrestricted");
    plane.clock.advance(Duration::from_secs(1));
    let found = decided(&point, "/open", None).await;
    assert!(
        found.contains("PORTCULLIS_CONFIGURATION_MAX_AGE"),
        "{found}"
    );
    // An instance that was idle for as long asks on the way of its first request.
    plane.fault(None);
    assert_eq!(decided(&point, "/open", None).await, "allow unrestricted");
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    for status in [401, 403] {
        let plane = Plane::start();
        let point = plane.point(SECRET, options());
        point.refresh().await;
        let counts = || (plane.count(Part::Token), plane.count(Part::Configuration));
        assert_eq!(counts(), (1, 1));
        plane.revoke();
        plane.configure(|one| one["apis"][1]["policy_id"] = json!("block"));
        point.refresh().await;
        assert_eq!(
            counts(),
            (2, 3),
            "once with the old one, once with a new one"
        );
        assert_eq!(
            decided(&point, "/open", None).await,
            "deny denied_by_policy"
        );
        // Refused whatever the token is: no more than once either.
        plane.fault(Some((Part::Configuration, Fault::Status(status))));
        point.refresh().await;
        assert_eq!(counts(), (3, 5));
    }
}

#[tokio::test]
async fn a_token_that_introspection_refuses_is_renewed_once_and_not_for_every_request() {
    let plane = Plane::start();
    let point = plane.point(SECRET, options());
    point.refresh().await;
    let counts = || (plane.count(Part::Token), plane.count(Part::Introspection));
    assert_eq!(
        decided(&point, "/pets", Some("opaque-1")).await,
        "allow permitted"
    );
    assert_eq!(counts(), (1, 1));
    plane.revoke();
    plane.clock.advance(Duration::from_mins(1));
    assert_eq!(
        decided(&point, "/pets", Some("opaque-2")).await,
        "allow permitted"
    );
    assert_eq!(
        counts(),
        (2, 3),
        "once with the old one, once with a new one"
    );
    plane.fault(Some((Part::Introspection, Fault::Status(403))));
    for number in 0..5 {
        let opaque = format!("opaque-refused-{number}");
        let found = decided(&point, "/pets", Some(&opaque)).await;
        assert!(!found.starts_with("allow"), "{found}");
    }
    assert_eq!(
        plane.count(Part::Token),
        2,
        "the token is new: its age is not what is wrong"
    );
    // A policy of nobody's token goes on meanwhile.
    assert_eq!(decided(&point, "/open", None).await, "allow unrestricted");
}

#[tokio::test]
async fn a_secret_that_is_rotated_leaves_what_runs_deciding_and_lets_the_new_one_in() {
    let plane = Plane::start();
    let token = plane.token(&json!({ "amr": ["pwd"] }));
    let old = plane.point(SECRET, options());
    assert_eq!(all(&old, &token).await, BEFORE);
    plane.rotate("second s3cret");
    // Its access token is good for a while, and then it gets no other.
    plane.clock.advance(Duration::from_secs(TOKEN_LIFETIME));
    plane.configure(|one| {
        one["apis"][0]["policy_id"] = json!("block");
        one["apis"][2]["policy_id"] = json!("");
    });
    old.refresh().await;
    assert_eq!(all(&old, &token).await, BEFORE);
    let new = plane.point("second s3cret", options());
    assert_eq!(all(&new, &token).await, AFTER);
    plane.clock.advance(MAX_AGE);
    let found = decided(&old, "/pets", Some(&token)).await;
    assert!(found.starts_with("no decision"), "{found}");
    // Rotated back, or an old secret that is still good: it goes on by itself.
    plane.rotate(SECRET);
    assert_eq!(decided(&old, "/blocked", None).await, "allow unrestricted");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a copy that was cut short")]
async fn a_copy_that_was_cut_short_is_none() {
    let plane = Plane::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.json");
    let with_copy = || {
        let mut options = options();
        options.copy = Some(ConfigurationCopy::at(path.clone()));
        plane.point(SECRET, options)
    };
    with_copy().refresh().await;
    plane.fault(Some((Part::Token, Fault::Status(500))));
    assert_eq!(
        decided(&with_copy(), "/open", None).await,
        "allow unrestricted"
    );
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let found = decided(&with_copy(), "/open", None).await;
        assert!(found.starts_with("no decision"), "{length} bytes: {found}");
    }
    // One of another gateway, however whole.
    let other = String::from_utf8(whole)
        .unwrap()
        .replace("\"gateway\":\"gateway\"", "\"gateway\":\"x\"");
    std::fs::write(&path, other).unwrap();
    let found = decided(&with_copy(), "/open", None).await;
    assert!(found.starts_with("no decision"), "{found}");
}
