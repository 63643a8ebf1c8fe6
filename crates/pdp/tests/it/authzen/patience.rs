//! How long an AuthZEN service is waited for, and when it is asked again.

use std::time::Duration;

use portcullis_pdp::Unavailable;

use super::{Scene, Setup, header, permits};
use crate::service::{Act, ok, response};

#[tokio::test]
async fn silence_ends_with_the_budget() {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";
    let slow: [fn() -> Act; 2] = [
        || Act::Hang,
        || Act::Drip("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{".into()),
    ];
    let dripping = move || Act::Drip(format!("{head}{{\"decision\":true}}").into());
    for act in slow {
        let setup = Setup {
            timeout: Duration::from_millis(300),
            ..Setup::default()
        };
        let scene = Scene::new(&setup, move |_, _| act());
        // The keys are fetched first, so that the time is the service's.
        scene.point.hydrate().await;
        let outcome = scene.planets().await;
        assert!(
            matches!(outcome, Err(Unavailable::Timeout { .. })),
            "{outcome:?}"
        );
    }
    let setup = Setup {
        timeout: Duration::from_millis(300),
        ..Setup::default()
    };
    let scene = Scene::new(&setup, move |_, _| dripping());
    scene.point.hydrate().await;
    assert!(scene.planets().await.is_err());
}

#[tokio::test]
async fn a_5xx_is_tried_again_and_a_4xx_is_not() {
    let setup = Setup {
        max_retries: 2,
        ..Setup::default()
    };
    let scene = Scene::new(&setup, |index, _| match index {
        0 => Act::Answer(response(503, "", "")),
        1 => Act::Close,
        _ => ok(r#"{"decision":true}"#),
    });
    assert!(permits(&scene.planets().await));
    let seen = scene.service.seen();
    assert_eq!(seen.len(), 3);
    let ids: Vec<_> = seen
        .iter()
        .map(|seen| header(seen, "x-request-id"))
        .collect();
    assert!(
        ids[0].is_some() && ids.iter().all(|id| *id == ids[0]),
        "{ids:?}"
    );
    let setup = Setup {
        max_retries: 2,
        ..Setup::default()
    };
    let scene = Scene::new(&setup, |_, _| Act::Answer(response(403, "", "")));
    scene.planets().await.unwrap_err();
    assert_eq!(scene.service.seen().len(), 1);
}

#[tokio::test]
async fn a_429_is_heeded() {
    let scene = Scene::new(&Setup::default(), |index, _| match index {
        0 => Act::Answer(response(429, "retry-after: 7\r\n", "")),
        _ => ok(r#"{"decision":true}"#),
    });
    for _ in 0..3 {
        let error = scene.planets().await.unwrap_err();
        let retry_after = Duration::from_secs(7);
        assert_eq!(error, Unavailable::Throttled { retry_after });
    }
    assert_eq!(scene.service.seen().len(), 1);
    scene.clock.advance(Duration::from_secs(7));
    assert!(permits(&scene.planets().await));
}
