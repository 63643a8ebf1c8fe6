//! JWKS endpoints that misbehave, seen from the requests that are being decided: no token is
//! accepted that should not be, none is refused wrongly once the issuer has recovered, and the
//! issuer is asked once in a cool-down at most. What becomes of the documents themselves is tested
//! in `key_endpoints`, `discovery` and `freshness`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_model::ReasonCode;
use portcullis_pdp::Unavailable;
use portcullis_pdp::keys::{COOL_DOWN, MAX_AGE, MAX_DOCUMENT_BYTES, MAX_STALE_AGE};
use serde_json::{Value, json};

use crate::attack::{
    AUDIENCE, FETCH, GENUINE, KID, MALLORY, PLANETS, Stage, encode, hmac_tokens, issuer, key_set,
    service, summary, with,
};
use crate::service::{Act, Service, ok, response};

/// What the JWKS endpoint does until it is told otherwise.
type Behaviour = Arc<Mutex<Box<dyn Fn() -> Act + Send>>>;

/// An issuer that misbehaves like this, of which nothing is known, or whose keys were fetched
/// before it began to.
struct Scene {
    stage: Stage,
    behaviour: Behaviour,
}

fn good() -> Act {
    ok(&key_set(&[GENUINE.jwk(KID)]))
}

impl Scene {
    async fn new(first: impl Fn() -> Act + Send + 'static) -> Self {
        let behaviour: Behaviour = Arc::new(Mutex::new(Box::new(first)));
        let jwks = Arc::clone(&behaviour);
        let issuer = issuer(move |_| jwks.lock().unwrap()());
        let sources = vec![service("Planets", AUDIENCE, &issuer.url(), AUDIENCE)];
        let stage = Stage::with(issuer, sources).await;
        Self { stage, behaviour }
    }

    fn behave(&self, act: impl Fn() -> Act + Send + 'static) {
        *self.behaviour.lock().unwrap() = Box::new(act);
    }

    /// Tokens that must never be accepted, with the key ids that an attacker may name.
    fn forged(&self) -> Vec<String> {
        let (header, claims) = (self.stage.header(), self.stage.claims());
        let mut forged = Vec::new();
        for kid in [KID, "mallory", ""] {
            let header = with(&header, "kid", kid);
            forged.push(MALLORY.sign(&header, &claims));
            forged.extend(hmac_tokens(&header, &claims, b""));
            forged.extend(hmac_tokens(&header, &claims, SECRET));
        }
        forged
    }

    /// No forged token is accepted: it is refused with 401, or there is no decision.
    async fn forgeries_are_refused(&self) {
        for token in self.forged() {
            match self.stage.try_decide(PLANETS, Some(&token)).await {
                Ok(decision) => {
                    assert!(summary(&decision).starts_with("401 "), "{decision:?}");
                }
                Err(error) => assert!(matches!(error, Unavailable::Keys { .. }), "{error}"),
            }
        }
    }

    /// How many requests the issuer sees while that goes on.
    fn asked(&self) -> usize {
        self.stage.issuer.seen().len()
    }

    /// The genuine token is permitted as soon as the issuer may be asked again.
    async fn recovers(self) {
        self.behave(good);
        self.stage.clock.advance(COOL_DOWN);
        let before = self.asked();
        self.stage.control().await;
        self.forgeries_are_refused().await;
        assert!(self.asked() - before <= FETCH, "one fetch at most");
        self.stage.finish().await;
    }
}

/// A secret that some of the endpoints below publish.
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// An endpoint that yields no key set: without keys there is no decision, and with keys they go on
/// being used. Both for a while, with requests coming in all the time.
async fn yields_nothing(act: impl Fn() -> Act + Send + Clone + 'static) {
    yields_nothing_and_costs(FETCH, act).await;
}

/// The same where a fetch takes so many requests.
async fn yields_nothing_and_costs(fetch: usize, act: impl Fn() -> Act + Send + Clone + 'static) {
    // From the start.
    let scene = Scene::new(act.clone()).await;
    for second in 0..5 {
        let before = scene.asked();
        for _ in 0..3 {
            let token = scene.stage.token();
            let outcome = scene.stage.try_decide(PLANETS, Some(&token)).await;
            let error = outcome.unwrap_err();
            assert!(matches!(error, Unavailable::Keys { .. }), "{error}");
        }
        scene.forgeries_are_refused().await;
        let asked = scene.asked() - before;
        // The stage has hydrated just now.
        assert_eq!(asked, if second == 0 { 0 } else { fetch }, "{second}");
        scene.stage.clock.advance(Duration::from_secs(1));
    }
    scene.recovers().await;

    // Later, when the keys are there: an unknown key id is what makes it ask.
    let scene = Scene::new(good).await;
    scene.stage.control().await;
    scene.behave(act.clone());
    for _ in 0..3 {
        scene.stage.clock.advance(COOL_DOWN);
        let before = scene.asked();
        for _ in 0..2 {
            scene.forgeries_are_refused().await;
            scene.stage.control().await;
        }
        assert_eq!(scene.asked() - before, fetch);
    }
    scene.recovers().await;

    // And when they have grown old.
    let scene = Scene::new(good).await;
    scene.stage.control().await;
    scene.behave(act);
    scene.stage.clock.advance(MAX_AGE + Duration::from_secs(1));
    for _ in 0..3 {
        let before = scene.asked();
        for _ in 0..2 {
            scene.stage.control().await;
            scene.forgeries_are_refused().await;
        }
        assert_eq!(scene.asked() - before, fetch);
        scene.stage.clock.advance(COOL_DOWN);
    }
    // Not for ever. The token is new, so that it is for want of keys.
    scene.stage.clock.advance(MAX_STALE_AGE);
    let now = crate::fake_clock::START + 2 * MAX_STALE_AGE.as_secs();
    let claims = with(&scene.stage.claims(), "exp", now);
    let token = GENUINE.sign(&scene.stage.header(), &claims);
    let outcome = scene.stage.try_decide(PLANETS, Some(&token)).await;
    assert!(matches!(outcome, Err(Unavailable::Keys { .. })));
    scene.behave(good);
    scene.stage.clock.advance(COOL_DOWN);
    assert_eq!(scene.stage.outcome(&token).await, "permit");
    scene.stage.canary_is_quiet().await;
}

#[tokio::test]
async fn server_error() {
    yields_nothing(|| Act::Answer(response(500, "", &key_set(&[MALLORY.jwk(KID)])))).await;
}

#[tokio::test]
async fn html() {
    yields_nothing(|| {
        let page = "<!doctype html><title>Sign in</title>";
        Act::Answer(response(200, "content-type: text/html\r\n", page))
    })
    .await;
}

#[tokio::test]
async fn empty_body() {
    yields_nothing(|| ok("")).await;
}

#[tokio::test]
async fn no_answer_at_all() {
    // The request went out on a connection that had been used, and goes out once more on a new one.
    yields_nothing_and_costs(FETCH + 1, || Act::Close).await;
}

#[tokio::test]
async fn half_an_answer() {
    yields_nothing(|| {
        let whole = response(200, "", &key_set(&[GENUINE.jwk(KID)]));
        Act::AnswerAndClose(whole[..whole.len() - 10].to_vec())
    })
    .await;
}

#[tokio::test]
async fn huge() {
    let padding = " ".repeat(MAX_DOCUMENT_BYTES);
    let whole = format!("{}{padding}", key_set(&[MALLORY.jwk(KID)]));
    yields_nothing(move || ok(&whole)).await;
}

#[tokio::test]
async fn too_many_keys() {
    let keys: Vec<_> = (0..101).map(|n| MALLORY.jwk(&n.to_string())).collect();
    let keys = key_set(&keys);
    yields_nothing(move || ok(&keys)).await;
}

#[tokio::test]
async fn redirecting_to_the_canary() {
    // The canary of the scene is made after its endpoint, so this is another one.
    let canary = Arc::new(Service::start(|_, _| ok(&key_set(&[MALLORY.jwk(KID)]))));
    for status in [301, 302, 307, 308] {
        let location = format!("location: {}/jwks\r\n", canary.url());
        let body = key_set(&[MALLORY.jwk(KID)]);
        yields_nothing(move || Act::Answer(response(status, &location, &body))).await;
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn duplicate_kid() {
    // Nobody can tell which of the two is meant, in either order.
    for keys in [
        [GENUINE.jwk(KID), MALLORY.jwk(KID)],
        [MALLORY.jwk(KID), GENUINE.jwk(KID)],
        [GENUINE.jwk(KID), GENUINE.jwk(KID)],
    ] {
        let keys = key_set(&keys);
        yields_nothing(move || ok(&keys)).await;
    }
}

#[tokio::test]
async fn a_secret_beside_a_public_key() {
    let secret = json!({ "kty": "oct", "kid": "mallory", "k": encode(SECRET) });
    let keys = key_set(&[GENUINE.jwk(KID), secret]);
    yields_nothing(move || ok(&keys)).await;
}

#[tokio::test]
async fn key_sets_of_a_wrong_type() {
    for document in [
        json!({ "keys": {} }),
        json!({ "keys": null }),
        json!({ "keys": "" }),
        json!({ "keys": { KID: MALLORY.jwk(KID) } }),
        json!([MALLORY.jwk(KID)]),
        MALLORY.jwk(KID),
        json!({ "Keys": [MALLORY.jwk(KID)] }),
        json!(null),
        json!(0),
    ] {
        yields_nothing(move || ok(&document.to_string())).await;
    }
}

/// An endpoint whose keys are no use: what names them is refused, and the issuer is asked again
/// once in a cool-down.
async fn yields_useless_keys(keys: &[Value]) {
    let document = key_set(keys);
    let published = document.clone();
    let scene = Scene::new(move || ok(&published)).await;
    for _ in 0..3 {
        scene.stage.clock.advance(COOL_DOWN);
        let before = scene.asked();
        for _ in 0..3 {
            let token = scene.stage.token();
            assert_eq!(
                scene.stage.outcome(&token).await,
                "401 unknown_key",
                "{document}"
            );
            scene.forgeries_are_refused().await;
        }
        assert_eq!(scene.asked() - before, FETCH);
    }
    scene.recovers().await;
}

#[tokio::test]
async fn no_keys() {
    yields_useless_keys(&[]).await;
}

#[tokio::test]
async fn keys_of_a_wrong_type() {
    let mut curve = json!({
        "kty": "EC", "crv": "P-256", "kid": KID, "use": "sig",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    });
    yields_useless_keys(std::slice::from_ref(&curve)).await;
    curve["alg"] = "RS256".into();
    yields_useless_keys(&[curve]).await;
    let genuine = GENUINE.jwk(KID);
    for (member, value) in [
        ("kty", json!("oct")),
        ("kty", json!("rsa")),
        ("kty", json!(7)),
        ("kty", Value::Null),
        ("n", json!(65537)),
        ("n", json!("")),
        ("n", json!("AQAB")),
        ("n", json!(encode([0xff; 128]))),
        ("e", json!(65537)),
        ("e", json!("AQ")),
        ("e", json!("")),
        ("alg", json!("HS256")),
        ("alg", json!("RS512")),
        ("alg", json!("none")),
        ("alg", json!(["RS256"])),
        ("use", json!("enc")),
        ("use", json!(["sig"])),
        ("key_ops", json!(["encrypt"])),
        ("kid", json!([KID])),
        ("kid", json!("K1")),
        ("d", json!("AQAB")),
    ] {
        yields_useless_keys(&[with(&genuine, member, value)]).await;
    }
    let secret = json!({ "kty": "oct", "kid": KID, "alg": "HS256", "k": encode(SECRET) });
    yields_useless_keys(&[secret]).await;
}

#[tokio::test]
async fn bad_keys_beside_a_good_one_do_no_harm() {
    let scene = Scene::new(|| {
        let mut encryption = MALLORY.jwk(KID);
        encryption["use"] = "enc".into();
        ok(&key_set(&[
            json!(null),
            json!("k1"),
            json!({}),
            json!({ "kty": "AKP", "kid": "post-quantum", "alg": "ML-DSA-44", "pub": "AA" }),
            json!({ "kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB" }),
            // A key for something else may have the same name.
            encryption,
            GENUINE.jwk(KID),
        ]))
    })
    .await;
    scene.stage.control().await;
    scene.forgeries_are_refused().await;
    assert_eq!(scene.asked(), FETCH);
    scene.recovers().await;
}

#[tokio::test]
async fn slow() {
    // Without keys a request waits as long as a fetch may take, once for all of them.
    let scene = Scene::new(|| Act::Hang).await;
    let token = scene.stage.token();
    let outcome = scene.stage.try_decide(PLANETS, Some(&token)).await;
    assert!(matches!(outcome, Err(Unavailable::Keys { .. })));
    assert_eq!(scene.asked(), FETCH);
    scene.recovers().await;
    // With keys nobody waits but who names one that is not there.
    let scene = Scene::new(good).await;
    scene.behave(|| Act::Hang);
    scene.stage.clock.advance(COOL_DOWN);
    let header = with(&scene.stage.header(), "kid", "made-up");
    let forged = MALLORY.sign(&header, &scene.stage.claims());
    let genuine = scene.stage.token();
    let (forged, ()) = tokio::join!(scene.stage.outcome(&forged), async {
        for _ in 0..20 {
            assert_eq!(scene.stage.outcome(&genuine).await, "permit");
        }
    });
    assert_eq!(forged, "401 unknown_key");
    assert_eq!(scene.asked(), 2 * FETCH);
    scene.recovers().await;
}

#[tokio::test]
async fn rotating() {
    let scene = Scene::new(good).await;
    scene.stage.control().await;
    let old = scene.stage.token();
    let new = MALLORY.sign(
        &with(&scene.stage.header(), "kid", "k2"),
        &scene.stage.claims(),
    );
    assert_eq!(scene.stage.outcome(&new).await, "401 unknown_key");
    // Announced: both are good as soon as the new one is seen.
    scene.behave(|| ok(&key_set(&[GENUINE.jwk(KID), MALLORY.jwk("k2")])));
    scene.stage.clock.advance(COOL_DOWN);
    let before = scene.asked();
    for token in [&old, &new, &old] {
        assert_eq!(scene.stage.outcome(token).await, "permit");
    }
    // Withdrawn: the old one is good until the keys are fetched again, which a made-up name brings
    // about.
    scene.behave(|| ok(&key_set(&[MALLORY.jwk("k2")])));
    scene.stage.clock.advance(COOL_DOWN);
    assert_eq!(scene.stage.outcome(&new).await, "permit");
    let made_up = MALLORY.sign(
        &with(&scene.stage.header(), "kid", "k3"),
        &scene.stage.claims(),
    );
    assert_eq!(scene.stage.outcome(&made_up).await, "401 unknown_key");
    assert_eq!(scene.stage.outcome(&old).await, "401 unknown_key");
    assert_eq!(scene.stage.outcome(&new).await, "permit");
    // Another key under the old name.
    scene.behave(|| ok(&key_set(&[MALLORY.jwk(KID)])));
    scene.stage.clock.advance(COOL_DOWN);
    let renamed = MALLORY.sign(&scene.stage.header(), &scene.stage.claims());
    assert_eq!(scene.stage.outcome(&renamed).await, "permit");
    assert_eq!(scene.stage.outcome(&old).await, "401 invalid_signature");
    assert_eq!(scene.asked() - before, 3 * FETCH);
    scene.stage.canary_is_quiet().await;
}

#[tokio::test]
async fn rotating_at_every_request() {
    // An issuer behind a balancer whose machines have different keys. What is refused is refused
    // for a cool-down at most.
    let turn = Arc::new(Mutex::new(false));
    let scene = Scene::new(move || {
        let mut turn = turn.lock().unwrap();
        *turn = !*turn;
        let key = if *turn {
            GENUINE.jwk(KID)
        } else {
            MALLORY.jwk("k2")
        };
        ok(&key_set(&[key]))
    })
    .await;
    let tokens = [
        scene.stage.token(),
        MALLORY.sign(
            &with(&scene.stage.header(), "kid", "k2"),
            &scene.stage.claims(),
        ),
    ];
    for round in 1..20 {
        scene.stage.clock.advance(COOL_DOWN);
        let before = scene.asked();
        let wanted = &tokens[round % 2];
        for _ in 0..3 {
            assert_eq!(scene.stage.outcome(wanted).await, "permit", "{round}");
        }
        let other = &tokens[(round + 1) % 2];
        assert_eq!(
            scene.stage.outcome(other).await,
            "401 unknown_key",
            "{round}"
        );
        assert_eq!(scene.asked() - before, FETCH);
    }
    scene.stage.canary_is_quiet().await;
}

#[tokio::test]
async fn a_flood_of_random_kids() {
    // From many clients at once, before there are keys and after.
    for cold in [true, false] {
        let scene = Scene::new(move || if cold { Act::Close } else { good() }).await;
        scene.behave(good);
        scene.stage.clock.advance(COOL_DOWN);
        let before = scene.asked();
        let genuine = scene.stage.token();
        for round in 0..10 {
            let forged: Vec<_> = (0..20)
                .map(|number| format!("{round}-{number}-{}", "x".repeat(number * 10)))
                .map(|kid| with(&scene.stage.header(), "kid", kid))
                .map(|header| MALLORY.sign(&header, &scene.stage.claims()))
                .collect();
            let flood = async {
                for forged in &forged {
                    assert_eq!(scene.stage.outcome(forged).await, "401 unknown_key");
                }
            };
            let customer = async {
                for _ in 0..20 {
                    assert_eq!(scene.stage.outcome(&genuine).await, "permit");
                }
            };
            tokio::join!(flood, customer);
        }
        assert_eq!(scene.asked() - before, FETCH, "the clock stood still");
        let header = with(&scene.stage.header(), "kid", "one more");
        let forged = MALLORY.sign(&header, &scene.stage.claims());
        scene.stage.attack(&forged, ReasonCode::UnknownKey).await;
        scene.recovers().await;
    }
}
