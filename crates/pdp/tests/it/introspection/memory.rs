//! How long answers and failures are kept, and how often an issuer is asked.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{AUDIENCE, Scene, TOKEN, active, json_answer};

#[tokio::test]
async fn an_answer_is_kept_as_long_as_it_may_be() {
    let start = crate::fake_clock::START;
    let until = json_answer(&json!({ "active": true, "aud": AUDIENCE, "exp": start + 20 }));
    let inactive = json_answer(&json!({ "active": false }));
    for (more, answer, kept, after) in [
        ("", active(), 29, 30),
        (", max_age: 100", active(), 99, 100),
        // Never beyond its end.
        (", max_age: 100", until, 19, 20),
        (", max_age: 100", inactive.clone(), 4, 5),
        (", max_age: 2", inactive, 1, 2),
    ] {
        let scene = Scene::new(more, "secret", &[answer]);
        let first = scene.decide(TOKEN).await;
        scene.clock.advance(Duration::from_secs(kept));
        assert_eq!(scene.decide(TOKEN).await, first);
        assert_eq!(scene.asked(), 1, "{more}");
        // Another token is another question.
        scene.decide("other").await;
        assert_eq!(scene.asked(), 2, "{more}");
        scene.clock.advance(Duration::from_secs(after - kept));
        scene.decide(TOKEN).await;
        assert_eq!(scene.asked(), 3, "{more}");
    }
    let scene = Scene::new(", max_age: 0", "secret", &[active()]);
    for _ in 0..3 {
        assert_eq!(scene.decide(TOKEN).await, "permitted");
    }
    assert_eq!(scene.asked(), 3);
}

#[tokio::test]
async fn a_failure_is_not_an_answer_and_is_left_alone_for_a_moment() {
    let away = (0, "", "no route".to_owned());
    let scene = Scene::new("", "secret", &[away, (503, "", String::new()), active()]);
    for _ in 0..3 {
        assert!(scene.decide(TOKEN).await.starts_with("unavailable"));
    }
    assert_eq!(scene.asked(), 1);
    scene.clock.advance(Duration::from_secs(1));
    assert!(
        scene
            .decide(TOKEN)
            .await
            .starts_with("unavailable: expected status 200")
    );
    assert_eq!(
        scene.decide(TOKEN).await,
        "unavailable: the last failure was less than 1000 ms ago"
    );
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.decide(TOKEN).await, "permitted");
    assert_eq!(scene.asked(), 3);
}

#[tokio::test]
async fn a_token_is_asked_about_once_and_few_at_a_time() {
    let slow = Duration::from_millis(50);
    let scene = Arc::new(Scene::build(
        "",
        "secret",
        &[active()],
        "{\"keys\":[]}",
        slow,
    ));
    let decide = |token: String| {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move { scene.decide(&token).await })
    };
    let same: Vec<_> = (0..50).map(|_| decide(TOKEN.to_owned())).collect();
    for decision in same {
        assert_eq!(decision.await.unwrap(), "permitted");
    }
    assert_eq!(scene.asked(), 1);
    let different: Vec<_> = (0..40)
        .map(|number| decide(format!("made-up-{number}")))
        .collect();
    let mut refused = 0;
    for decision in different {
        let outcome = decision.await.unwrap();
        refused += usize::from(outcome == "unavailable: more than 32 requests at a time");
    }
    assert_eq!(refused, 8);
    // Whoever hangs up leaves the way free for others.
    let cancelled = decide("cancelled".to_owned());
    tokio::time::sleep(Duration::from_millis(10)).await;
    cancelled.abort();
    assert_eq!(scene.decide("cancelled").await, "permitted");
}
