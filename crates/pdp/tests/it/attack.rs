//! The stage of an attack: an issuer on loopback, a decision point that trusts it, an attacker with
//! a key, a forge for tokens, and a canary.
//!
//! The canary is a server that nobody has a reason to ask. Its URL goes wherever a token may hold
//! one; it would hand out the attacker's key, so that an attack that makes the decision point ask
//! it also gets through. Plain `http` on loopback is allowed to an issuer on loopback, so nothing
//! but the decision point's own judgement keeps it away.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use portcullis_engine::{SourceFile, compile};
use portcullis_model::{ApiRequest, Decision, HeaderMap, Outcome, ReasonCode, RequestUrl};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::http::{HttpClient, HttpRequest, TlsRoots};
use portcullis_pdp::keys::{COOL_DOWN, Fetch};
use portcullis_pdp::local::LocalDecisionPoint;
use portcullis_pdp::{DecisionPoint, Unavailable};
use serde_json::{Value, json};

use crate::fake_clock::{FakeClock, START};
use crate::fake_web::metadata;
use crate::service::{Act, Seen, Service, ok};
use crate::support::api_request;

pub(crate) const KID: &str = "k1";
pub(crate) const AUDIENCE: &str = "https://api.example.com";
pub(crate) const PLANETS: &str = "https://api.example.com/planets";
pub(crate) const ADMIN: &str = "https://api.example.com/admin";

/// The key of the issuer. Made once: it takes longer than all else.
pub(crate) static GENUINE: LazyLock<RsaKey> = LazyLock::new(RsaKey::generate);
/// The key of the attacker, or of another tenant.
pub(crate) static MALLORY: LazyLock<RsaKey> = LazyLock::new(RsaKey::generate);

/// A key for RS256.
pub(crate) struct RsaKey(KeyPair);

impl RsaKey {
    fn generate() -> Self {
        Self(KeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub(crate) fn from_der(der: &[u8]) -> Self {
        Self(KeyPair::from_der(der).unwrap())
    }

    pub(crate) fn to_pkcs8(&self) -> Vec<u8> {
        AsDer::<Pkcs8V1Der<'_>>::as_der(&self.0)
            .unwrap()
            .as_ref()
            .to_vec()
    }

    /// The token with that header and those claims, whatever they say.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// The same for texts that need not be JSON.
    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        let random = SystemRandom::new();
        self.0
            .sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature)
            .unwrap();
        format!("{input}.{}", encode(signature))
    }

    /// `RSAPublicKey` (RFC 8017 appendix A.1.1).
    pub(crate) fn pkcs1(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    /// `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
    pub(crate) fn spki(&self) -> Vec<u8> {
        AsDer::<PublicKeyX509Der<'_>>::as_der(self.0.public_key())
            .unwrap()
            .as_ref()
            .to_vec()
    }

    /// The modulus, big-endian. In the DER of a key of 2048 bits nine octets stand before it.
    pub(crate) fn modulus(&self) -> Vec<u8> {
        self.pkcs1()[9..9 + self.0.public_modulus_len()].to_vec()
    }

    /// The public key, bound to RS256.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let mut jwk = self.unbound_jwk(kid);
        jwk["alg"] = "RS256".into();
        jwk
    }

    /// The public key as issuers publish it that leave the algorithm open.
    pub(crate) fn unbound_jwk(&self, kid: &str) -> Value {
        let pkcs1 = self.pkcs1();
        let exponent = &pkcs1[9 + self.0.public_modulus_len() + 2..];
        json!({
            "kty": "RSA", "use": "sig", "kid": kid,
            "n": encode(self.modulus()), "e": encode(exponent),
        })
    }
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with an empty third part.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    format!(
        "{}.{}.",
        encode(header.to_string()),
        encode(claims.to_string())
    )
}

/// The three parts of a token.
pub(crate) fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<_> = token.split('.').collect();
    parts.try_into().unwrap()
}

/// The token with other claims and the signature of the old ones.
pub(crate) fn tampered(token: &str, claims: &Value) -> String {
    let [header, _, signature] = parts(token);
    format!("{header}.{}.{signature}", encode(claims.to_string()))
}

/// The tokens with the right HS256, HS384 and HS512 code for a secret.
pub(crate) fn hmac_tokens(header: &Value, claims: &Value, secret: &[u8]) -> [String; 3] {
    [
        ("HS256", hmac::HMAC_SHA256),
        ("HS384", hmac::HMAC_SHA384),
        ("HS512", hmac::HMAC_SHA512),
    ]
    .map(|(name, algorithm)| {
        let input = unsigned(&with(header, "alg", name), claims);
        let input = input.trim_end_matches('.');
        let code = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
        format!("{input}.{}", encode(code))
    })
}

/// PEM (RFC 7468) with 64 characters a line.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

/// The same object with one member more or changed.
pub(crate) fn with(object: &Value, member: &str, value: impl Into<Value>) -> Value {
    let mut object = object.clone();
    object[member] = value.into();
    object
}

/// The same object with one member less.
pub(crate) fn without(object: &Value, member: &str) -> Value {
    let mut object = object.clone();
    object
        .as_object_mut()
        .and_then(|object| object.remove(member));
    object
}

/// A service for tokens of one issuer: `/planets` for a scope, `/admin` for a group.
pub(crate) fn service(name: &str, base_url: &str, issuer: &str, audience: &str) -> SourceFile {
    let file = name.to_lowercase();
    let text = format!(
        "name: {name}\nbase_urls: ['{base_url}']\n\
         tokens: [{{ issuer: '{issuer}', audiences: ['{audience}'] }}]\n\
         operations:\n\
         - {{ name: Planets, paths: [/planets], rules: {{ scopes: {{ any_of: [silver] }} }} }}\n\
         - {{ name: Admin, paths: [/admin], rules: {{ groups: {{ any_of: [administrators] }} }} }}\n"
    );
    SourceFile {
        path: format!("services/{file}.yaml"),
        text,
    }
}

/// A server with an issuer's metadata, whose JWKS endpoint answers like this.
pub(crate) fn issuer(jwks: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Service {
    Service::start(move |_, seen| {
        if seen.head.starts_with("GET /jwks ") {
            return jwks(seen);
        }
        let own = own_url(seen);
        ok(&metadata(&own, &format!("{own}/jwks")))
    })
}

/// The URL under which a server was asked.
pub(crate) fn own_url(seen: &Seen) -> String {
    let mut lines = seen.head.lines();
    let host = lines.find_map(|line| line.strip_prefix("host: "));
    format!("http://{}", host.unwrap())
}

pub(crate) fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// What came of a request: `permit`, or status and reason.
pub(crate) fn summary(decision: &Decision) -> String {
    match &decision.outcome {
        Outcome::Permit(_) => "permit".to_owned(),
        Outcome::Deny(deny) => format!("{} {}", deny.status, decision.reason.code),
    }
}

pub(crate) fn request(url: &str, token: Option<&str>) -> ApiRequest {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        headers
            .append("Authorization", &format!("Bearer {token}"))
            .unwrap();
    }
    ApiRequest {
        url: RequestUrl::parse(url).unwrap(),
        headers,
        ..api_request()
    }
}

/// The issuer's requests for one fetch of its keys: metadata and JWKS.
pub(crate) const FETCH: usize = 2;

/// The stage.
pub(crate) struct Stage {
    pub(crate) issuer: Service,
    pub(crate) canary: Service,
    pub(crate) clock: Arc<FakeClock>,
    /// What the issuer's JWKS endpoint answers with.
    pub(crate) published: Arc<Mutex<String>>,
    http: Arc<HttpClient>,
    point: LocalDecisionPoint,
    sources: Vec<SourceFile>,
}

impl Stage {
    /// An issuer with one key, bound to RS256, which the decision point has fetched.
    pub(crate) async fn new() -> Self {
        Self::publishing(key_set(&[GENUINE.jwk(KID)])).await
    }

    /// An issuer with those keys.
    pub(crate) async fn publishing(keys: String) -> Self {
        let published = Arc::new(Mutex::new(keys));
        let keys = Arc::clone(&published);
        let issuer = issuer(move |_| ok(&keys.lock().unwrap()));
        let sources = vec![service("Solar System", AUDIENCE, &issuer.url(), AUDIENCE)];
        let mut stage = Self::with(issuer, sources).await;
        stage.published = published;
        stage
    }

    /// A decision point with those services, for tokens of that issuer and maybe of others.
    pub(crate) async fn with(issuer: Service, sources: Vec<SourceFile>) -> Self {
        let canary = Service::start(|_, seen| {
            let own = own_url(seen);
            let mut document: Value = serde_json::from_str(&key_set(&[MALLORY.jwk(KID)])).unwrap();
            document["issuer"] = own.clone().into();
            document["jwks_uri"] = format!("{own}/jwks").into();
            ok(&document.to_string())
        });
        let policy = compile(&sources, &[]).unwrap();
        let clock = Arc::new(FakeClock::new());
        let http = Arc::new(HttpClient::new(&TlsRoots::public()).unwrap());
        let point = LocalDecisionPoint::new(policy, http.clone(), clock.clone());
        point.hydrate().await;
        Self {
            issuer,
            canary,
            clock,
            published: Arc::default(),
            http,
            point,
            sources,
        }
    }

    /// The header of a genuine token.
    #[expect(clippy::unused_self, reason = "belongs with the claims")]
    pub(crate) fn header(&self) -> Value {
        json!({ "alg": "RS256", "typ": "at+jwt", "kid": KID })
    }

    /// The claims of a genuine token that may do everything.
    pub(crate) fn claims(&self) -> Value {
        json!({
            "iss": self.issuer.url(), "aud": AUDIENCE, "sub": "carlos", "client_id": "app",
            "jti": "1", "iat": START - 10, "exp": START + 86400,
            "scope": "silver", "groups": ["administrators"],
        })
    }

    /// A genuine token that may do everything.
    pub(crate) fn token(&self) -> String {
        GENUINE.sign(&self.header(), &self.claims())
    }

    /// The claims of a genuine token that may read `/planets` and no more.
    pub(crate) fn plain_claims(&self) -> Value {
        with(&without(&self.claims(), "groups"), "sub", "wiener")
    }

    pub(crate) async fn try_decide(
        &self,
        url: &str,
        token: Option<&str>,
    ) -> Result<Decision, Unavailable> {
        DecisionPoint::decide(&self.point, &request(url, token)).await
    }

    /// What comes of a request. That no decision could be had would be a 5xx, and is a failure.
    pub(crate) async fn decide(&self, url: &str, token: Option<&str>) -> Decision {
        self.try_decide(url, token).await.unwrap()
    }

    /// What comes of a request for `/planets`.
    pub(crate) async fn outcome(&self, token: &str) -> String {
        let decision = self.decide(PLANETS, Some(token)).await;
        self.leaks_nothing(&decision);
        summary(&decision)
    }

    /// A genuine token is permitted. Without this, a test in which all is refused would prove
    /// nothing.
    pub(crate) async fn control(&self) {
        for url in [PLANETS, ADMIN] {
            let decision = self.decide(url, Some(&self.token())).await;
            assert_eq!(summary(&decision), "permit", "the control on {url}");
        }
    }

    /// A token is refused with 401 and that reason: with the keys at hand, when they may be fetched
    /// again, and by a decision point that has none yet. The issuer is asked once where a newer key
    /// could help, and otherwise not at all.
    pub(crate) async fn attack(&self, token: &str, reason: ReasonCode) {
        let newer_key_may_help = matches!(
            reason,
            ReasonCode::UnknownKey | ReasonCode::InvalidSignature
        );
        let fetch = if newer_key_may_help { FETCH } else { 0 };
        let before = self.issuer.seen().len();
        self.refused(&self.point, token, reason).await;
        let at_once = self.issuer.seen().len();
        // The cool-down may have been over already.
        assert!([0, fetch].contains(&(at_once - before)), "{token}");
        self.clock.advance(COOL_DOWN);
        for _ in 0..3 {
            self.refused(&self.point, token, reason).await;
        }
        let later = self.issuer.seen().len();
        assert_eq!(later - at_once, fetch, "requests for {token}");
        let cold = self.cold();
        for _ in 0..2 {
            self.refused(&cold, token, reason).await;
        }
        let cold = self.issuer.seen().len() - later;
        assert!((fetch..=FETCH).contains(&cold), "{cold} requests: {token}");
    }

    /// A decision point with the same policy that has no keys yet.
    fn cold(&self) -> LocalDecisionPoint {
        let (fetch, clock): (Arc<dyn Fetch>, Arc<dyn Clock>) =
            (self.http.clone(), self.clock.clone());
        LocalDecisionPoint::new(compile(&self.sources, &[]).unwrap(), fetch, clock)
    }

    async fn refused(&self, point: &LocalDecisionPoint, token: &str, reason: ReasonCode) {
        for url in [PLANETS, ADMIN] {
            let decision = DecisionPoint::decide(point, &request(url, Some(token)))
                .await
                .unwrap();
            assert_eq!(summary(&decision), format!("401 {reason}"), "{url} {token}");
            assert_eq!(decision.principal, None, "{token}");
            let Outcome::Deny(deny) = &decision.outcome else {
                panic!("{decision:?}")
            };
            let challenge = deny.www_authenticate().next().unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
            self.leaks_nothing(&decision);
        }
    }

    /// Nothing that a token said comes back, to the client or into a log.
    fn leaks_nothing(&self, decision: &Decision) {
        let shown = match &decision.outcome {
            Outcome::Permit(_) => String::new(),
            Outcome::Deny(deny) => deny.www_authenticate().collect(),
        };
        let shown = format!("{decision:?} {shown}");
        let canary = self.canary.url();
        assert!(
            !shown.contains(canary.trim_start_matches("http://")),
            "{shown}"
        );
        assert!(!shown.contains("mallory"), "{shown}");
    }

    /// Ends a test: genuine tokens are still permitted, and nobody asked the canary, which works.
    pub(crate) async fn finish(self) {
        self.control().await;
        self.canary_is_quiet().await;
    }

    /// Nobody has asked the canary. Connections are accepted in the order in which they were made,
    /// so that ours comes after any that was left behind.
    pub(crate) async fn canary_is_quiet(&self) {
        assert_eq!(get(&self.canary.url()).await, 200, "the canary is dead");
        let heads: Vec<_> = self
            .canary
            .seen()
            .into_iter()
            .map(|seen| seen.head)
            .collect();
        assert_eq!(
            (self.canary.connections(), heads.len()),
            (1, 1),
            "{heads:?}"
        );
    }
}

/// URLs that lead to the canary, and ways to make one host look like another.
pub(crate) fn canary_urls(stage: &Stage) -> Vec<String> {
    let (canary, issuer) = (stage.canary.url(), stage.issuer.url());
    let host = canary.trim_start_matches("http://").to_owned();
    vec![
        canary.clone(),
        format!("{canary}/"),
        format!("{canary}/jwks"),
        format!("{canary}/.well-known/openid-configuration"),
        format!("{canary}/jwks.json#{KID}"),
        format!("{canary}/?{issuer}/jwks"),
        format!("{issuer}@{host}/jwks"),
        format!("{issuer}\\@{host}/jwks"),
        format!("{issuer}/redirect?to={canary}"),
        format!("//{host}/jwks"),
        format!("HTTP://{host}/jwks"),
        format!("https://{host}/jwks"),
        format!("ftp://{host}/jwks"),
        format!("url={canary}"),
        format!("{issuer} {canary}"),
    ]
}
/// Asks for a document over a connection of its own.
async fn get(url: &str) -> u16 {
    let client = HttpClient::new(&TlsRoots::public()).unwrap();
    let request = HttpRequest::get(url).unwrap();
    let answer = client.send(request, Duration::from_secs(30), 1 << 20).await;
    answer.unwrap().status
}

#[tokio::test]
#[should_panic(expected = "permit")]
async fn the_stage_notices_an_attack_that_gets_through() {
    let stage = Stage::new().await;
    stage
        .attack(&stage.token(), ReasonCode::InvalidSignature)
        .await;
}

#[tokio::test]
#[should_panic(expected = "GET /jwks ")]
async fn the_stage_notices_who_asks_the_canary() {
    let stage = Stage::new().await;
    get(&format!("{}/jwks", stage.canary.url())).await;
    stage.finish().await;
}
