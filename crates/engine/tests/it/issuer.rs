//! A token issuer with a real key, for tests.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis_engine::{Host, IssuerUrl, KeySource, PolicySet, Progress, SourceFile, compile};
use portcullis_jose::{AwsLc, CryptoProvider, Jwks, SymmetricKeys};
use portcullis_model::{ApiRequest, Decision, HeaderMap, Method, Outcome, RequestUrl, Source};
use serde_json::{Value, json};

/// The time at which the tests take place.
pub(crate) const NOW: u64 = 1_700_000_000;
pub(crate) const ISSUER: &str = "https://idp.example.com/oauth2/default";
pub(crate) const AUDIENCE: &str = "api://default";

/// An issuer with one ES256 key.
pub(crate) struct Issuer {
    key: EcdsaKeyPair,
    pub(crate) kid: &'static str,
}

impl Issuer {
    pub(crate) fn new(kid: &'static str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { key, kid }
    }

    pub(crate) fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let coordinate = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid,
            "x": coordinate(&point[1..33]), "y": coordinate(&point[33..]),
        })
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), input.as_bytes())
            .unwrap();
        format!(
            "{input}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref())
        )
    }

    /// A valid RFC 9068 token with those scopes.
    pub(crate) fn token(&self, scope: &str) -> String {
        self.sign(&self.header(), &claims(scope))
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.kid })
    }
}

/// The claims of a valid RFC 9068 token.
pub(crate) fn claims(scope: &str) -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "carl", "client_id": "app", "jti": "1",
        "iat": NOW - 10, "exp": NOW + 300, "scope": scope,
    })
}

/// Keys that are all there from the start.
pub(crate) struct Keys(Option<Arc<Jwks>>);

impl Keys {
    pub(crate) fn of(issuers: &[&Issuer]) -> Self {
        let set = json!({ "keys": issuers.iter().map(|issuer| issuer.jwk()).collect::<Vec<_>>() });
        let jwks =
            Jwks::from_json(set.to_string().as_bytes(), SymmetricKeys::Refuse, &AwsLc).unwrap();
        Self(Some(Arc::new(jwks)))
    }

    pub(crate) fn none() -> Self {
        Self(None)
    }
}

impl KeySource for Keys {
    fn keys(&self, issuer: &IssuerUrl) -> Option<Arc<Jwks>> {
        assert_eq!(
            issuer.as_str(),
            ISSUER,
            "keys were asked for of an issuer that no test configures"
        );
        self.0.clone()
    }
}

impl Host for Keys {
    fn crypto(&self) -> &dyn CryptoProvider {
        &AwsLc
    }
}

pub(crate) fn source(path: &str, text: &str) -> SourceFile {
    SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

pub(crate) fn policy(service: &str) -> PolicySet {
    compile(&[source("services/s.yaml", service)], &[])
        .unwrap_or_else(|problems| panic!("{problems}"))
}

pub(crate) fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> ApiRequest {
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        fields.append(name, value).unwrap();
    }
    ApiRequest {
        method: Method::parse(method).unwrap(),
        url: RequestUrl::parse(url).unwrap(),
        http_version: "1.1".into(),
        headers: fields,
        source: Source::default(),
        client_certificate: None,
        body: None,
        entry: None,
    }
}

pub(crate) fn decided(progress: Progress) -> Decision {
    match progress {
        Progress::Decided(decision)
        | Progress::NeedsKeys {
            otherwise: Some(decision),
            ..
        } => decision,
        other => panic!("no decision: {other:?}"),
    }
}

/// `permit CODE`, or `STATUS CODE WWW-Authenticate`.
pub(crate) fn summary(decision: &Decision) -> String {
    match &decision.outcome {
        Outcome::Permit(_) => format!("permit {}", decision.reason.code),
        Outcome::Deny(deny) => {
            let challenge = deny
                .www_authenticate()
                .next()
                .map(|value| format!(" {value}"))
                .unwrap_or_default();
            format!("{} {}{challenge}", deny.status, decision.reason.code)
        }
    }
}
