//! The configuration of a Cloudentity gateway as it decides: when a change takes effect, clocks that differ, what is
//! not known, and thousands of APIs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::control_plane::{INTERVAL, MAX_AGE, Part, Plane, api, ask, decided, options};
use crate::fake_clock::START;

const SECRET: &str = "first s3cret";

#[tokio::test]
async fn a_change_decides_after_the_interval_and_one_request() {
    let plane = Plane::start();
    let point = plane.point(SECRET, options());
    assert_eq!(decided(&point, "/open", None).await, "allow unrestricted");
    plane.configure(|one| one["apis"][1]["policy_id"] = json!("block"));
    for _ in 0..4 {
        plane.clock.advance(Duration::from_secs(1));
        assert_eq!(decided(&point, "/open", None).await, "allow unrestricted");
        assert!(!point.wants_refresh(), "the interval is not over");
    }
    plane.clock.advance(Duration::from_secs(1));
    // The one request that is still decided with the old one; what is asked for after its answer decides the next.
    assert_eq!(decided(&point, "/open", None).await, "allow unrestricted");
    assert!(point.wants_refresh() && !point.wants_refresh(), "one asks");
    point.refresh().await;
    assert_eq!(
        decided(&point, "/open", None).await,
        "deny denied_by_policy"
    );
    assert_eq!(plane.count(Part::Configuration), 2);
}

#[tokio::test]
async fn clocks_that_differ_a_little_do_no_harm_and_more_is_refused() {
    let plane = Plane::start();
    let point = plane.point(SECRET, options());
    let now = START;
    // The leeway is five seconds (docs/authorizer.md).
    for (off, allowed) in [
        (json!({ "exp": now - 3, "iat": now - 600 }), true),
        (json!({ "exp": now - 30, "iat": now - 600 }), false),
        (json!({ "nbf": now + 3 }), true),
        (json!({ "nbf": now + 30 }), false),
    ] {
        let mut claims = json!({ "amr": ["pwd"] });
        let members = claims.as_object_mut().unwrap();
        members.extend(off.as_object().unwrap().clone());
        let token = plane.token(&claims);
        let expected = if allowed {
            "allow permitted"
        } else {
            "deny denied_by_policy"
        };
        assert_eq!(
            decided(&point, "/pets", Some(&token)).await,
            expected,
            "{off}"
        );
    }
}

#[tokio::test]
async fn a_clock_that_jumps_neither_stops_the_polling_nor_makes_a_configuration_young() {
    for jump in [START - 86_400, START - 2, START + 2, START + 86_400] {
        let plane = Plane::start();
        let point = plane.point(SECRET, options());
        assert_eq!(decided(&point, "/open", None).await, "allow unrestricted");
        plane.configure(|one| one["apis"][1]["policy_id"] = json!("block"));
        plane.clock.set(jump);
        plane.clock.advance(INTERVAL * 2);
        if point.wants_refresh() {
            point.refresh().await;
        }
        assert_eq!(
            decided(&point, "/open", None).await,
            "deny denied_by_policy",
            "{jump}"
        );
    }
    // Set back while the control plane is away: nobody knows how old it is.
    let plane = Plane::start();
    let point = plane.point("first s3cret", options());
    point.refresh().await;
    plane.rotate("another");
    plane.revoke();
    plane.clock.set(START - MAX_AGE.as_secs() - 1);
    let found = decided(&point, "/open", None).await;
    assert!(found.starts_with("no decision"), "{found}");
}

#[tokio::test]
async fn what_is_not_known_denies_by_itself() {
    let plane = Plane::start();
    plane.configure(|one| {
        one["policies"].as_array_mut().unwrap().extend([
            json!({ "id": "wasm", "policy_name": "W", "language": "wasm", "definition": "AGFzbQ" }),
            json!({ "id": "rego", "policy_name": "R", "language": "rego", "definition": "package acp.authz\nallow := true" }),
            json!({ "id": "new", "policy_name": "N", "language": "cloudentity", "validators": [{ "name": "of-tomorrow" }] }),
        ]);
        one["apis"].as_array_mut().unwrap().extend([
            api("b1", "/wasm", "wasm", 11),
            api("b2", "/rego", "rego", 12),
            api("b3", "/new", "new", 13),
            api("b4", "/gone", "nothing-of-that-id", 14),
        ]);
    });
    let point = plane.point(SECRET, options());
    let token = plane.token(&json!({ "amr": ["pwd"] }));
    for path in ["/wasm", "/rego", "/new", "/gone"] {
        let found = decided(&point, path, Some(&token)).await;
        assert_eq!(found, "deny policy_failed", "{path}");
    }
    assert_eq!(
        decided(&point, "/pets", Some(&token)).await,
        "allow permitted"
    );
    assert_eq!(decided(&point, "/open", None).await, "allow unrestricted");
}

#[tokio::test]
async fn of_two_apis_with_the_same_method_and_path_the_lower_position_counts() {
    for (positions, expected) in [
        ([2, 9], "allow unrestricted"),
        ([9, 2], "deny denied_by_policy"),
    ] {
        let plane = Plane::start();
        plane.configure(|one| {
            one["apis"] = json!([
                api("a1", "/twice", "", positions[0]),
                api("a2", "/twice", "block", positions[1]),
            ]);
        });
        let point = plane.point(SECRET, options());
        assert_eq!(decided(&point, "/twice", None).await, expected);
    }
}

#[tokio::test]
async fn five_thousand_apis_decide_and_one_of_them_changes() {
    let plane = Plane::start();
    let apis: Vec<Value> = (0..5000)
        .map(|number| {
            let policy = if number % 2 == 0 { "" } else { "block" };
            api(
                &format!("a{number}"),
                &format!("/p{number}/{{id}}"),
                policy,
                number,
            )
        })
        .collect();
    plane.configure(|one| one["apis"] = json!(apis));
    let point = plane.point(SECRET, options());
    for number in [0, 1, 2499, 2500, 4998, 4999] {
        let expected = if number % 2 == 0 {
            "allow unrestricted"
        } else {
            "deny denied_by_policy"
        };
        let path = format!("/p{number}/7");
        assert_eq!(decided(&point, &path, None).await, expected, "{number}");
    }
    assert_eq!(decided(&point, "/p5000/7", None).await, "deny unknown_api");
    plane.configure(|one| one["apis"][4998]["policy_id"] = json!("block"));
    point.refresh().await;
    assert_eq!(
        decided(&point, "/p4998/7", None).await,
        "deny denied_by_policy"
    );
}

#[tokio::test]
async fn only_the_policy_that_is_too_large_denies() {
    let plane = Plane::start();
    let test = json!({ "field": "login", "comparator": "not_exists" });
    let tests =
        |count: usize| json!([{ "name": "attributes", "conf": { "fields": vec![&test; count] } }]);
    let always = |count: usize| vec![json!({ "name": "true" }); count];
    // Policies become files by the order in which APIs have them: the one of /small is the third.
    let mut embedding = always(990);
    embedding.push(json!({ "name": "policy", "conf": { "policy": "2.yaml" } }));
    let policy = |id: &str, validators: Value| json!({ "id": id, "policy_name": id, "validators": validators });
    plane.configure(|one| {
        one["policies"] = json!([
            policy("many", json!(embedding)),
            policy("large", tests(20_000)),
            policy("small", json!(always(20))),
            policy("usual", tests(100)),
        ]);
        one["apis"] = json!([
            api("a1", "/many", "many", 1),
            api("a2", "/large", "large", 2),
            api("a3", "/small", "small", 3),
            api("a4", "/usual", "usual", 4),
        ]);
    });
    let point = plane.point(SECRET, options());
    for (path, expected) in [
        ("/many", "deny policy_failed"),
        ("/large", "deny policy_failed"),
        ("/small", "allow permitted"),
        ("/usual", "allow permitted"),
    ] {
        assert_eq!(decided(&point, path, None).await, expected, "{path}");
    }
    let why = |path: &'static str| async {
        let decision = ask(&point, path, None).await.unwrap();
        decision.reason.message.to_string()
    };
    let many = "policy \"many\" (many) cannot be used: more than 1000 validators";
    assert!(why("/many").await.contains(many));
    let large = "policy \"large\" (large) cannot be used: the policy is larger than 131072 bytes";
    assert!(why("/large").await.contains(large));
    // Also where it is the only one that something is wrong with.
    plane.configure(|one| one["apis"][0]["policy_id"] = json!(""));
    point.refresh().await;
    assert_eq!(decided(&point, "/many", None).await, "allow unrestricted");
    assert_eq!(decided(&point, "/large", None).await, "deny policy_failed");
    assert_eq!(decided(&point, "/usual", None).await, "allow permitted");
}
