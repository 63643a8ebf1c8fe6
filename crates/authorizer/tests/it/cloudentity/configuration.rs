//! What decides in Cloudentity mode: the configuration that was polled, and the settings that say how.

use std::path::Path;
use std::time::Duration;

use portcullis_test_support::lambda::Function;
use serde_json::json;

use super::{ControlPlane, SECRET, configuration, decided, event, is, scheduled};
use crate::support::{BOOTSTRAP, allows};

#[test]
fn unrestricted_unbound_and_unknown_are_three_things() {
    let plane = ControlPlane::start();
    let secret = plane.token();
    let mut function = plane.function(&[]);
    let token = Some(secret.as_str());
    assert_eq!(
        decided(&mut function, "/pets/7", token),
        is(true, "permitted")
    );
    assert_eq!(
        decided(&mut function, "/pets/7", None),
        is(false, "denied_by_policy")
    );
    assert_eq!(
        decided(&mut function, "/pets/7", Some("nonsense.token.x")),
        is(false, "denied_by_policy")
    );
    assert_eq!(
        decided(&mut function, "/pets/7", Some("opaque-good")),
        is(true, "permitted")
    );
    assert_eq!(
        decided(&mut function, "/pets/7", Some("opaque-bad")),
        is(false, "denied_by_policy")
    );
    assert_eq!(
        decided(&mut function, "/open", None),
        is(true, "unrestricted")
    );
    assert_eq!(
        decided(&mut function, "/blocked", token),
        is(false, "denied_by_policy")
    );
    assert_eq!(
        decided(&mut function, "/strange", token),
        is(false, "policy_failed")
    );
    assert_eq!(
        decided(&mut function, "/rego", token),
        is(false, "policy_failed")
    );
    assert_eq!(
        decided(&mut function, "/elsewhere", token),
        is(false, "unknown_api")
    );
    for nobody in [None, Some("nonsense.token.x")] {
        assert_eq!(
            decided(&mut function, "/elsewhere", nobody),
            is(false, "unknown_api")
        );
    }
    let mut other = event("/pets/7", token);
    other["methodArn"] = json!("arn:aws:execute-api:us-east-1:123456789012:other/prod/GET/pets/7");
    other["requestContext"]["apiId"] = json!("other");
    other["requestContext"]["domainName"] = json!("other.execute-api.us-east-1.amazonaws.com");
    let answer = function.invoke(&other.to_string()).outcome;
    assert!(
        !allows(&answer) && answer.as_ref().unwrap().contains("unbound"),
        "{answer:?}"
    );

    let mut lenient = plane.function(&[("ENFORCEMENT_ALLOW_UNKNOWN", "true")]);
    assert_eq!(
        decided(&mut lenient, "/elsewhere", None),
        is(true, "unmatched")
    );
    assert_eq!(
        decided(&mut lenient, "/blocked", token),
        is(false, "denied_by_policy")
    );
    let answer = lenient.invoke(&other.to_string()).outcome;
    assert!(!allows(&answer), "{answer:?}");
    let log = function.stop();
    assert!(log.contains("tea-leaves"), "{log}");
    assert!(log.contains("deploy bootstrap-rego"), "{log}");
    assert!(!log.contains("s3cret") && !log.contains(&secret), "{log}");
}

#[test]
fn a_change_decides_after_the_interval_and_no_request_waits_for_it() {
    let plane = ControlPlane::start();
    let token = plane.token();
    let mut function = plane.function(&[]);
    assert_eq!(
        decided(&mut function, "/pets/7", Some(&token)),
        is(true, "permitted")
    );
    plane.change(|state| state.configuration["apis"][0]["policy_id"] = json!("block"));
    std::thread::sleep(Duration::from_millis(1100));
    // The request that comes first is decided with what is there; its answer is followed by the reload.
    decided(&mut function, "/pets/7", Some(&token));
    assert_eq!(
        decided(&mut function, "/pets/7", Some(&token)),
        is(false, "denied_by_policy")
    );
    // A schedule reloads at once.
    plane.change(|state| state.configuration["apis"][0]["policy_id"] = json!("pwd"));
    let answer = function.invoke(&scheduled()).outcome;
    assert_eq!(answer.as_deref(), Ok("null"));
    assert_eq!(
        decided(&mut function, "/pets/7", Some(&token)),
        is(true, "permitted")
    );
    // What has not changed is not sent again, and not asked for more often than the interval says.
    let before = plane.count("configuration");
    for _ in 0..20 {
        decided(&mut function, "/open", None);
    }
    assert!(
        plane.count("configuration") <= before + 2,
        "{:?}",
        plane.asked()
    );
}

#[test]
fn while_the_control_plane_is_away_the_last_good_configuration_decides() {
    let plane = ControlPlane::start();
    let token = plane.token();
    let mut function = plane.function(&[]);
    assert!(decided(&mut function, "/pets/7", Some(&token)).0);
    for broken in [500, 429, 403, 0] {
        plane.change(|state| state.status = broken);
        function.invoke(&scheduled());
        assert_eq!(
            decided(&mut function, "/pets/7", Some(&token)),
            is(true, "permitted"),
            "{broken}"
        );
    }
    // Another instance starts with the copy; one without it does not decide, and one whose age is over does not.
    let mut second = plane.function(&[]);
    assert_eq!(
        decided(&mut second, "/pets/7", Some(&token)),
        is(true, "permitted")
    );
    let nowhere = plane.root.path().join("none.json");
    let mut without =
        plane.function(&[("PORTCULLIS_CONFIGURATION_COPY", nowhere.to_str().unwrap())]);
    let (allowed, error) = decided(&mut without, "/open", None);
    assert!(!allowed && error.contains("no configuration"), "{error}");
    std::thread::sleep(Duration::from_millis(2100));
    let mut old = plane.function(&[("PORTCULLIS_CONFIGURATION_MAX_AGE", "1s")]);
    assert!(!decided(&mut old, "/open", None).0);
    let other = [("ACP_CLIENT_ID", "other")];
    assert!(!decided(&mut plane.function(&other), "/open", None).0);
    // It comes back, with a configuration that is cut short, and with a good one.
    plane.change(|state| {
        state.status = 200;
        state.configuration = json!("cut");
    });
    function.invoke(&scheduled());
    assert_eq!(
        decided(&mut function, "/pets/7", Some(&token)),
        is(true, "permitted")
    );
    let url = plane.issuer.url().to_owned();
    plane.change(|state| state.configuration = configuration(&url));
    let mut again = plane.function(&[("PORTCULLIS_CONFIGURATION_COPY", nowhere.to_str().unwrap())]);
    assert!(decided(&mut again, "/open", None).0);
}

#[test]
fn a_token_that_is_refused_is_renewed_once() {
    let plane = ControlPlane::start();
    plane.change(|state| state.wants_post = true);
    // What is told after answers would renew it, too.
    let mut function = plane.function(&[("ANALYTICS_ENABLED", "false")]);
    assert!(decided(&mut function, "/open", None).0);
    plane.change(|state| state.token = 2);
    let before = plane.count("configuration");
    function.invoke(&scheduled());
    assert_eq!(plane.count("configuration"), before + 2);
    plane.change(|state| state.status = 401);
    let before = plane.count("configuration");
    function.invoke(&scheduled());
    assert_eq!(plane.count("configuration"), before + 2);
}

#[test]
fn settings_that_cannot_be_are_named() {
    let plane = ControlPlane::start();
    for (name, value, says) in [
        (
            "ACP_ISSUER_URL",
            "https://acp.example.com/system",
            "ACP_TENANT_ID",
        ),
        ("ACP_RELOAD_INTERVAL", "0s", "ACP_RELOAD_INTERVAL"),
        ("ACP_RELOAD_INTERVAL", "fast", "1m0s"),
        ("ENFORCEMENT_ALLOW_UNKNOWN", "perhaps", "true or false"),
        (
            "HTTP_CLIENT_INSECURE_SKIP_VERIFY",
            "true",
            "HTTP_CLIENT_ROOT_CA",
        ),
        ("PORTCULLIS_CACHE_TTL", "300s", "PORTCULLIS_CACHE_TTL"),
        (
            "PORTCULLIS_CONFIGURATION_MAX_AGE",
            "1y",
            "PORTCULLIS_CONFIGURATION_MAX_AGE",
        ),
    ] {
        let issuer = format!("{}/t1/system", plane.url);
        let mut settings = vec![
            ("ACP_ISSUER_URL", issuer.as_str()),
            ("ACP_CLIENT_ID", "gateway"),
            ("ACP_CLIENT_SECRET", SECRET),
        ];
        settings.retain(|(known, _)| *known != name);
        settings.push((name, value));
        let (code, log) = Function::start(Path::new(BOOTSTRAP), &settings).wait();
        assert_eq!(code, Some(2), "{name}={value}: {log}");
        assert!(
            log.contains(says) && !log.contains("s3cret"),
            "{name}={value}: {log}"
        );
    }
}
