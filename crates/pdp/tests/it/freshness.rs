//! How long keys are used, how often an issuer is asked for them, and what a flood of made-up key
//! ids or of callers who hang up can do to that.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::{IssuerUrl, KeySource};
use portcullis_jose::Algorithm;
use portcullis_pdp::keys::{
    COOL_DOWN, COOL_DOWN_WITHOUT_KEYS, KeyError, KeyStore, MAX_AGE, MAX_STALE_AGE,
};
use tokio::task::JoinSet;

use crate::fake_clock::FakeClock;
use crate::fake_web::{FakeWeb, jwks, metadata, settle};

const ISSUER: &str = "https://idp.example.com";
const OPENID: &str = "https://idp.example.com/.well-known/openid-configuration";
const JWKS: &str = "https://idp.example.com/jwks";
const SECOND: Duration = Duration::from_secs(1);

struct Scene {
    store: Arc<KeyStore>,
    web: Arc<FakeWeb>,
    clock: Arc<FakeClock>,
    issuer: IssuerUrl,
}

impl Scene {
    /// An issuer that publishes `k1`, of which nothing is known yet.
    fn new() -> Self {
        let clock = Arc::new(FakeClock::new());
        let web = FakeWeb::new(&clock);
        web.put(OPENID, &metadata(ISSUER, JWKS));
        web.put(JWKS, &jwks(&["k1"]));
        let issuer = IssuerUrl::parse(ISSUER).unwrap();
        let store = KeyStore::new(web.clone(), clock.clone(), vec![issuer.clone()]);
        Self {
            store: Arc::new(store),
            web,
            clock,
            issuer,
        }
    }

    async fn refresh(&self) -> Result<(), KeyError> {
        self.store.refresh(&self.issuer).await
    }

    /// Refreshes at once by many callers, each of whom has begun before any is answered.
    async fn crowd(&self) -> JoinSet<Result<(), KeyError>> {
        let mut crowd = JoinSet::new();
        for _ in 0..50 {
            let (store, issuer) = (Arc::clone(&self.store), self.issuer.clone());
            crowd.spawn(async move { store.refresh(&issuer).await });
        }
        settle().await;
        crowd
    }

    fn has(&self, kid: &str) -> bool {
        self.store
            .keys(&self.issuer)
            .is_some_and(|keys| keys.find(Some(kid), Algorithm::Es256).is_ok())
    }

    /// How often the issuer was asked for its metadata.
    fn fetches(&self) -> usize {
        self.web.asked().iter().filter(|url| *url == OPENID).count()
    }
}

#[tokio::test]
async fn a_rotated_key_is_found() {
    let scene = Scene::new();
    scene.refresh().await.unwrap();
    scene.web.put(JWKS, &jwks(&["k2"]));
    scene.clock.advance(COOL_DOWN);
    assert!(scene.has("k1") && !scene.has("k2"));
    scene.refresh().await.unwrap();
    assert!(!scene.has("k1"), "a key that was withdrawn is gone");
    assert!(scene.has("k2"));
}

#[tokio::test]
async fn a_flood_of_made_up_key_ids_costs_one_fetch_a_cool_down() {
    let scene = Scene::new();
    for _ in 0..1000 {
        let _ = scene.refresh().await;
        scene.clock.advance(Duration::from_millis(100));
    }
    assert!((10..=11).contains(&scene.fetches()), "{}", scene.fetches());
    assert!(scene.has("k1"));
}

#[tokio::test]
async fn a_flood_before_there_are_keys_costs_one_fetch_a_second() {
    let scene = Scene::new();
    scene.web.take_down(OPENID);
    for _ in 0..1000 {
        scene.refresh().await.unwrap_err();
        scene.clock.advance(Duration::from_millis(10));
    }
    assert!((9..=11).contains(&scene.fetches()), "{}", scene.fetches());
    scene.web.put(OPENID, &metadata(ISSUER, JWKS));
    scene.clock.advance(COOL_DOWN_WITHOUT_KEYS);
    scene.refresh().await.unwrap();
    assert!(scene.has("k1"));
}

#[tokio::test]
async fn many_callers_share_one_fetch() {
    let scene = Scene::new();
    scene.web.stop();
    scene.web.slow_down(SECOND);
    let crowd = scene.crowd().await;
    scene.web.go_on();
    assert!(crowd.join_all().await.iter().all(Result::is_ok));
    assert_eq!(scene.web.asked(), [OPENID, JWKS]);
}

#[tokio::test]
async fn many_callers_share_one_failure() {
    // If each tried for itself when its turn came, the last would wait fifty times as long.
    let scene = Scene::new();
    scene.web.take_down(OPENID);
    scene.web.stop();
    scene.web.slow_down(3 * SECOND);
    let crowd = scene.crowd().await;
    scene.web.go_on();
    assert!(crowd.join_all().await.iter().all(Result::is_err));
    assert_eq!(scene.fetches(), 1);
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_end_the_fetch() {
    // Otherwise whoever hangs up again and again keeps the keys from everybody.
    let scene = Scene::new();
    scene.web.stop();
    scene.crowd().await.abort_all();
    settle().await;
    scene.web.go_on();
    settle().await;
    assert!(scene.has("k1"));
    assert_eq!(scene.web.asked(), [OPENID, JWKS]);
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_end_the_use_of_old_keys() {
    let scene = Scene::new();
    scene.refresh().await.unwrap();
    scene.clock.advance(MAX_AGE + SECOND);
    scene.web.take_down(OPENID);
    scene.web.stop();
    scene.crowd().await.abort_all();
    settle().await;
    scene.web.go_on();
    settle().await;
    assert!(scene.has("k1"));
}

#[tokio::test]
async fn keys_are_used_while_they_are_being_fetched() {
    let scene = Scene::new();
    scene.refresh().await.unwrap();
    scene.clock.advance(COOL_DOWN);
    scene.web.stop();
    let crowd = scene.crowd().await;
    assert!(scene.has("k1"), "nobody with a known key waits");
    scene.web.go_on();
    crowd.join_all().await;
}

#[tokio::test]
async fn keys_that_are_too_old_are_fetched_again() {
    let scene = Scene::new();
    scene.refresh().await.unwrap();
    scene.clock.advance(MAX_AGE);
    assert!(scene.has("k1"));
    scene.clock.advance(SECOND);
    assert!(!scene.has("k1"), "not before they were asked for again");
    scene.web.put(JWKS, &jwks(&["k2"]));
    scene.refresh().await.unwrap();
    assert!(scene.has("k2"));
}

#[tokio::test]
async fn old_keys_outlive_an_outage_up_to_a_day() {
    let scene = Scene::new();
    scene.refresh().await.unwrap();
    scene.web.take_down(OPENID);
    scene.clock.advance(MAX_AGE + SECOND);
    let mut age = MAX_AGE + SECOND;
    while age <= MAX_STALE_AGE {
        assert!(!scene.has("k1"), "{age:?}: nobody asked");
        scene.refresh().await.unwrap_err();
        assert!(scene.has("k1"), "{age:?}");
        // Further refreshes are held back and change nothing.
        assert_eq!(scene.refresh().await, Err(KeyError::CoolingDown));
        assert!(scene.has("k1"), "{age:?}");
        let step = if age + COOL_DOWN * 180 <= MAX_STALE_AGE {
            COOL_DOWN * 180
        } else {
            COOL_DOWN
        };
        scene.clock.advance(step);
        age += step;
    }
    scene.refresh().await.unwrap_err();
    assert!(!scene.has("k1"), "keys of yesterday");
    scene.web.put(OPENID, &metadata(ISSUER, JWKS));
    scene.clock.advance(COOL_DOWN);
    scene.refresh().await.unwrap();
    assert!(scene.has("k1"));
}

#[tokio::test]
async fn a_day_is_over_even_right_after_a_failure() {
    let scene = Scene::new();
    scene.refresh().await.unwrap();
    scene.web.take_down(OPENID);
    scene.clock.advance(MAX_STALE_AGE);
    scene.refresh().await.unwrap_err();
    assert!(scene.has("k1"));
    scene.clock.advance(SECOND);
    assert!(!scene.has("k1"));
}

#[tokio::test]
async fn a_broken_document_is_an_outage_too() {
    for (url, document) in [
        (OPENID, "<html>"),
        (
            OPENID,
            r#"{"issuer":"https://evil.example","jwks_uri":"https://evil.example/"}"#,
        ),
        (JWKS, "<html>"),
        (JWKS, "{}"),
    ] {
        let scene = Scene::new();
        scene.refresh().await.unwrap();
        scene.web.put(url, document);
        scene.clock.advance(MAX_AGE + SECOND);
        scene.refresh().await.unwrap_err();
        assert!(scene.has("k1"), "{document}");
        scene.clock.advance(MAX_STALE_AGE);
        let _ = scene.refresh().await;
        assert!(!scene.has("k1"), "{document}");
    }
}

#[tokio::test]
async fn an_empty_set_withdraws_every_key_at_once() {
    let scene = Scene::new();
    scene.refresh().await.unwrap();
    scene.web.put(JWKS, r#"{"keys":[]}"#);
    scene.clock.advance(COOL_DOWN);
    scene.refresh().await.unwrap();
    assert!(!scene.has("k1"));
    assert!(scene.store.keys(&scene.issuer).unwrap().is_empty());
}

#[tokio::test]
async fn issuers_that_stay_keep_their_keys() {
    let scene = Scene::new();
    scene.refresh().await.unwrap();
    let other = IssuerUrl::parse("https://other.example").unwrap();
    let wider = scene
        .store
        .for_issuers(vec![scene.issuer.clone(), other.clone()]);
    assert!(wider.keys(&scene.issuer).is_some());
    assert!(wider.keys(&other).is_none());
    let narrower = wider.for_issuers(vec![other.clone()]);
    assert!(narrower.keys(&scene.issuer).is_none());
    assert_eq!(
        narrower.refresh(&scene.issuer).await,
        Err(KeyError::UnknownIssuer)
    );
    // What one store learns or is refused, the other knows.
    assert_eq!(
        wider.refresh(&scene.issuer).await,
        Ok(()),
        "fetched at this very moment"
    );
    assert_eq!(scene.fetches(), 1);
    scene.web.put(JWKS, &jwks(&["k2"]));
    scene.clock.advance(COOL_DOWN);
    wider.refresh(&scene.issuer).await.unwrap();
    assert!(scene.has("k2"));
}

#[tokio::test]
async fn hydrating_fetches_what_is_missing_and_no_more() {
    let scene = Scene::new();
    let down = IssuerUrl::parse("https://down.example").unwrap();
    let store = scene
        .store
        .for_issuers(vec![scene.issuer.clone(), down.clone()]);
    store.hydrate().await;
    assert!(store.keys(&scene.issuer).is_some());
    assert!(store.keys(&down).is_none());
    scene.clock.advance(COOL_DOWN);
    store.hydrate().await;
    assert_eq!(scene.fetches(), 1);
}

#[tokio::test]
async fn hydrating_asks_every_issuer_at_once() {
    // A service with many issuers is ready after the slowest of them, not after all in turn.
    let scene = Scene::new();
    let others = ["https://one.example", "https://two.example"];
    let issuers = others.iter().map(|url| IssuerUrl::parse(url).unwrap());
    let store = Arc::new(scene.store.for_issuers(issuers.collect()));
    scene.web.stop();
    let hydrating = Arc::clone(&store);
    let hydrating = tokio::spawn(async move { hydrating.hydrate().await });
    settle().await;
    assert_eq!(scene.web.asked().len(), 2);
    scene.web.go_on();
    hydrating.await.unwrap();
    assert_eq!(scene.web.asked().len(), 4, "both places of both");
}
