//! The decision point in this process: a policy set that is swapped, keys that are missing, come
//! late and are withdrawn. Tokens are signed with a real key and checked with it.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::{PolicySet, SourceFile, compile};
use portcullis_model::{ApiRequest, Decision, HeaderMap, ReasonCode, RequestUrl};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::keys::{COOL_DOWN, MAX_AGE, MAX_STALE_AGE};
use portcullis_pdp::local::LocalDecisionPoint;
use portcullis_pdp::{DecisionPoint, Unavailable};
use portcullis_test_support::issuer::Issuer;

use crate::fake_clock::FakeClock;
use crate::fake_web::{FakeWeb, jwks, settle};
use crate::support::{api_request, with_token};

const AUDIENCE: &str = "https://api.example.com";

/// The operation `/planets` with that guard, for tokens of an issuer.
fn policy(issuer: &str, guard: &str) -> PolicySet {
    let text = format!(
        "name: Solar System\nbase_urls: [https://api.example.com]\n\
         tokens: [{{ issuer: '{issuer}', audiences: ['{AUDIENCE}'] }}]\n\
         operations: [{{ name: Planets, paths: [/planets], {guard} }}]\n"
    );
    let path = "services/solar-system.yaml".into();
    compile(&[SourceFile { path, text }], &[]).unwrap()
}

const SILVER: &str = "rules: { scopes: { any_of: [silver] } }";
const GOLD: &str = "rules: { scopes: { any_of: [gold] } }";
const PUBLIC: &str = "public: true";

/// A decision point of an issuer whose keys are served on loopback.
struct Scene {
    issuer: Issuer,
    web: Arc<FakeWeb>,
    clock: Arc<FakeClock>,
    point: Arc<LocalDecisionPoint>,
    request: ApiRequest,
}

impl Scene {
    fn new() -> Self {
        let issuer = Issuer::start();
        let clock = Arc::new(FakeClock::new());
        let web = FakeWeb::new(&clock);
        web.connect();
        let policy = policy(issuer.url(), SILVER);
        let point = LocalDecisionPoint::new(policy, web.clone(), clock.clone());
        let token = issuer.token(AUDIENCE, "silver", clock.unix_now());
        Self {
            request: with_token(&token),
            point: Arc::new(point),
            issuer,
            web,
            clock,
        }
    }

    async fn decide(&self) -> Result<Decision, Unavailable> {
        let point: &dyn DecisionPoint = &*self.point;
        point.decide(&self.request).await
    }

    async fn code(&self) -> ReasonCode {
        self.decide().await.unwrap().reason.code
    }

    /// Lets that much time pass, with a token that is still valid at the end of it.
    fn advance(&mut self, time: Duration) {
        self.clock.advance(time);
        let now = self.clock.unix_now();
        self.request = with_token(&self.issuer.token(AUDIENCE, "silver", now));
    }

    fn openid(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer.url())
    }

    fn jwks(&self) -> String {
        format!("{}/jwks", self.issuer.url())
    }
}

#[tokio::test]
async fn the_first_request_fetches_the_keys_and_the_next_finds_them() {
    let scene = Scene::new();
    assert!(scene.decide().await.unwrap().is_permit());
    assert!(scene.decide().await.unwrap().is_permit());
    assert_eq!(scene.web.asked(), [scene.openid(), scene.jwks()]);
}

#[tokio::test]
async fn hydrating_fetches_them_before() {
    let scene = Scene::new();
    scene.point.hydrate().await;
    assert_eq!(scene.web.asked().len(), 2);
    assert!(scene.decide().await.unwrap().is_permit());
    assert_eq!(scene.web.asked().len(), 2);
}

#[tokio::test]
async fn what_needs_no_keys_asks_for_none() {
    let mut scene = Scene::new();
    scene.request = api_request();
    assert_eq!(scene.code().await, ReasonCode::MalformedToken);
    scene.request.headers = HeaderMap::new();
    assert_eq!(scene.code().await, ReasonCode::MissingToken);
    scene.request = with_token(&Issuer::start().token(AUDIENCE, "silver", 0));
    assert_eq!(scene.code().await, ReasonCode::UnknownIssuer);
    scene
        .point
        .replace(policy(scene.issuer.url(), PUBLIC))
        .unwrap();
    assert_eq!(scene.code().await, ReasonCode::Public);
    scene.request.url = RequestUrl::parse("https://elsewhere.example/planets").unwrap();
    assert_eq!(scene.code().await, ReasonCode::NoService);
    assert!(scene.web.asked().is_empty());
}

#[tokio::test]
async fn without_keys_there_is_no_decision_and_later_there_is() {
    let mut scene = Scene::new();
    // The metadata of another issuer, at first: not an outage, but no keys either.
    scene.web.put(&scene.openid(), "<html>starting</html>");
    let error = scene.decide().await.unwrap_err();
    let Unavailable::Keys { issuer, cause } = &error else {
        panic!("{error}")
    };
    assert_eq!(issuer, scene.issuer.url());
    assert!(cause.contains("metadata"), "{cause}");
    let again = scene.decide().await.unwrap_err();
    assert!(matches!(again, Unavailable::Keys { .. }), "{again}");
    scene.web.take_down(&scene.openid());
    scene.advance(COOL_DOWN);
    assert!(scene.decide().await.unwrap().is_permit());
}

#[tokio::test]
async fn an_unknown_key_is_a_deny_until_it_is_published() {
    let mut scene = Scene::new();
    scene.web.put(&scene.jwks(), &jwks(&["k0"]));
    assert_eq!(scene.code().await, ReasonCode::UnknownKey);
    let asked = scene.web.asked().len();
    scene.web.take_down(&scene.jwks());
    assert_eq!(scene.code().await, ReasonCode::UnknownKey);
    assert_eq!(scene.web.asked().len(), asked, "not within the cool-down");
    scene.advance(COOL_DOWN);
    assert!(scene.decide().await.unwrap().is_permit());
}

#[tokio::test]
async fn a_key_of_the_same_name_and_another_kind_does_not_fit() {
    let scene = Scene::new();
    scene.web.put(&scene.jwks(), &jwks(&["k1"]));
    assert!(!scene.decide().await.unwrap().is_permit());
}

#[tokio::test]
async fn a_withdrawn_key_stops_working() {
    let mut scene = Scene::new();
    assert!(scene.decide().await.unwrap().is_permit());
    scene.web.put(&scene.jwks(), r#"{"keys":[]}"#);
    scene.advance(MAX_AGE);
    assert!(scene.decide().await.unwrap().is_permit(), "not yet known");
    scene.advance(Duration::from_secs(1));
    assert_eq!(scene.code().await, ReasonCode::UnknownKey);
}

#[tokio::test]
async fn an_outage_of_the_issuer_is_survived_for_a_day() {
    let mut scene = Scene::new();
    assert!(scene.decide().await.unwrap().is_permit());
    scene.web.put(&scene.jwks(), "<html>down</html>");
    scene.advance(MAX_STALE_AGE);
    for _ in 0..3 {
        assert!(scene.decide().await.unwrap().is_permit());
    }
    scene.advance(Duration::from_secs(1));
    for _ in 0..3 {
        let error = scene.decide().await.unwrap_err();
        assert!(matches!(error, Unavailable::Keys { .. }), "{error}");
    }
    scene.web.take_down(&scene.jwks());
    scene.advance(COOL_DOWN);
    assert!(scene.decide().await.unwrap().is_permit());
}

#[tokio::test]
async fn a_policy_is_swapped_under_way_and_keys_stay() {
    let scene = Scene::new();
    assert!(scene.decide().await.unwrap().is_permit());
    scene
        .point
        .replace(policy(scene.issuer.url(), GOLD))
        .unwrap();
    assert_eq!(scene.code().await, ReasonCode::InsufficientScope);
    scene
        .point
        .replace(policy("https://idp.example.com", SILVER))
        .unwrap();
    assert_eq!(scene.code().await, ReasonCode::UnknownIssuer);
    assert_eq!(scene.web.asked().len(), 2);
    scene
        .point
        .replace(policy(scene.issuer.url(), SILVER))
        .unwrap();
    assert!(scene.decide().await.unwrap().is_permit());
}

#[tokio::test]
async fn a_request_under_way_is_decided_by_the_policy_that_it_met() {
    let scene = Scene::new();
    scene.web.stop();
    let (point, request) = (Arc::clone(&scene.point), scene.request.clone());
    let decision = tokio::spawn(async move { DecisionPoint::decide(&*point, &request).await });
    settle().await;
    assert_eq!(scene.web.asked().len(), 1);
    scene
        .point
        .replace(policy(scene.issuer.url(), GOLD))
        .unwrap();
    scene.web.go_on();
    assert!(decision.await.unwrap().unwrap().is_permit());
    assert_eq!(scene.code().await, ReasonCode::InsufficientScope);
    assert_eq!(scene.web.asked().len(), 2, "both use what one fetched");
}

#[tokio::test]
async fn an_expired_token_is_refused_by_the_clock_that_was_given() {
    let scene = Scene::new();
    assert!(scene.decide().await.unwrap().is_permit());
    scene.clock.advance(Duration::from_hours(3));
    assert_eq!(scene.code().await, ReasonCode::TokenExpired);
}

/// A JWT is worth what its issuer's keys say, whoever sent it; it is not asked which scopes it has.
#[tokio::test]
async fn a_jwt_is_looked_at_without_a_request() {
    let scene = Scene::new();
    let point: &dyn DecisionPoint = &*scene.point;
    let services = ["Solar System".to_owned()];
    let now = scene.clock.unix_now();
    let good = scene.issuer.token(AUDIENCE, "none", now);
    let claims = point.inspect(&services, &good).await.unwrap().unwrap();
    assert_eq!(claims["iss"], scene.issuer.url());
    assert_eq!(point.inspect(&["Other".to_owned()], &good).await, Ok(None));
    let other = scene.issuer.token("https://other.example.com", "none", now);
    assert_eq!(point.inspect(&services, &other).await, Ok(None));
    let old = scene.issuer.token(AUDIENCE, "none", now - 100_000);
    assert_eq!(point.inspect(&services, &old).await, Ok(None));
    let (signed, _) = good.rsplit_once('.').unwrap();
    assert_eq!(
        point.inspect(&services, &format!("{signed}.AAAA")).await,
        Ok(None)
    );
    assert_eq!(point.inspect(&services, "opaque").await, Ok(None));
    let stranger = Issuer::start();
    let foreign = stranger.token(AUDIENCE, "none", now);
    assert_eq!(point.inspect(&services, &foreign).await, Ok(None));
    assert!(point.jwks_uri(scene.issuer.url()).await.is_some());
    assert_eq!(
        point.jwks_uri(stranger.url()).await,
        None,
        "nobody trusts it"
    );
}
