//! The decision alone, without cryptography, in services of 1,000 operations.
//!
//! What needs no token is timed as it is. What needs one is timed with a crypto provider that takes
//! every signature for genuine, so that everything but the signature check is in the figure: parsing
//! the token, its claims, the operation, its rules.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use portcullis_engine::{
    Host, IssuerUrl, KeySource, PolicySet, Progress, SourceFile, TokenHash, VerifiedToken, compile,
};
use portcullis_jose::{
    Algorithm, AwsLc, CryptoProvider, Jwks, KeyMaterial, KeyRejected, SignatureMismatch,
    SymmetricKeys, VerifyingKey,
};
use portcullis_model::{ApiRequest, HeaderMap, Method, RequestUrl, Source};

use portcullis_pdp::verified_tokens::VerifiedTokens;

use crate::rounds::{Round, Samples, Spread, take_turns, timed};
use crate::tokens::{AUDIENCE, ISSUER, Tokens};

/// The decision on a token that was verified before, with everything that belongs to it.
pub(crate) const WARM: &str = "the same token again: `PUT …/resource124/{id}`";

/// How many rounds are measured, and how many decisions are made in one.
pub(crate) const ROUNDS: usize = 300;
pub(crate) const OPERATIONS: u32 = 500;
/// Resources of the service; each has eight operations, half of them without parameters.
const RESOURCES: usize = 125;

/// Where the paths of a service are, and where a request asks for them.
const LAYOUTS: [(&str, &str); 3] = [("", ""), ("/v1", "/v1"), ("/v1/{tenant}", "/v1/acme")];

/// The times that one kind of decision takes, in seconds, in the layouts of [`layouts`].
pub(crate) struct DecisionFigure {
    pub(crate) name: &'static str,
    pub(crate) times: Vec<Spread>,
}

/// What stands before the paths of the services.
pub(crate) fn layouts() -> impl Iterator<Item = &'static str> {
    LAYOUTS.iter().map(|(pattern, _)| *pattern)
}

/// Measures every kind of decision in a service of each layout.
pub(crate) fn measure(now: u64) -> Result<Vec<DecisionFigure>> {
    let tokens = Tokens::new(now)?;
    let jwks = tokens.jwks.to_string();
    let jwks = Jwks::from_json(jwks.as_bytes(), SymmetricKeys::Refuse, &AnySignature)?;
    let jwks = Arc::new(jwks);
    let keys = Keys(Arc::clone(&jwks));
    let warm = Warm {
        keys: Keys(jwks),
        tokens: VerifiedTokens::default(),
    };
    let signed = tokens.algorithms.iter();
    let token = signed
        .filter(|signed| signed.algorithm == "ES256")
        .find_map(|signed| signed.tokens.first());
    let token = token.map_or("", String::as_str);
    let policies = layouts().map(policy).collect::<Result<Vec<_>>>()?;

    let mut contestants: Vec<Round<'_>> = Vec::new();
    for case in cases(token) {
        for (policy, (_, prefix)) in policies.iter().zip(LAYOUTS) {
            contestants.push(case.round(policy, &keys, prefix, now)?);
        }
    }
    for (policy, (_, prefix)) in policies.iter().zip(LAYOUTS) {
        contestants.push(warm_case(token).round(policy, &warm, prefix, now)?);
    }
    let samples = take_turns(&mut contestants, ROUNDS)?;
    let of_cases = samples.chunks(LAYOUTS.len());
    cases(token)
        .iter()
        .chain([&warm_case(token)])
        .zip(of_cases)
        .map(|(case, samples)| {
            let times = samples.iter().map(Samples::spread);
            Ok(DecisionFigure {
                name: case.name,
                times: times.collect::<Result<_>>()?,
            })
        })
        .collect()
}

/// One kind of request.
struct Case<'a> {
    name: &'static str,
    method: &'static str,
    /// Below the prefix of the service.
    path: &'static str,
    token: Option<&'a str>,
    /// The reason code that must come out.
    code: &'static str,
}

/// The last resource of the service is asked for, which a search from the front finds last.
fn cases(token: &str) -> [Case<'_>; 5] {
    [
        Case {
            name: "public: `GET …/resource124/count`",
            method: "GET",
            path: "/resource124/count",
            token: None,
            code: "public",
        },
        Case {
            name: "public: `GET …/resource124/{id}/items/{item}`",
            method: "GET",
            path: "/resource124/7/items/9",
            token: None,
            code: "public",
        },
        Case {
            name: "token and scope: `GET …/resource124`",
            method: "GET",
            path: "/resource124",
            token: Some(token),
            code: "permitted",
        },
        Case {
            name: "token and scope: `PUT …/resource124/{id}`",
            method: "PUT",
            path: "/resource124/7",
            token: Some(token),
            code: "permitted",
        },
        Case {
            name: "token, but no operation covers the request",
            method: "PATCH",
            path: "/resource124/7/moons/9",
            token: Some(token),
            code: "no_operation",
        },
    ]
}

/// The same token once more: it is known by its digest, which is computed, as in the product.
fn warm_case(token: &str) -> Case<'_> {
    Case {
        name: WARM,
        method: "PUT",
        path: "/resource124/7",
        token: Some(token),
        code: "permitted",
    }
}

impl Case<'_> {
    /// Rounds of this decision, which must come out as it should.
    fn round<'p>(
        &self,
        policy: &'p PolicySet,
        keys: &'p dyn Host,
        prefix: &str,
        now: u64,
    ) -> Result<Round<'p>> {
        let mut headers = HeaderMap::new();
        headers.append("Accept", "application/json")?;
        if let Some(token) = self.token {
            headers.append("Authorization", &format!("Bearer {token}"))?;
        }
        headers.append("Host", "api.example.com")?;
        headers.append("X-Forwarded-For", "203.0.113.7")?;
        let request = ApiRequest {
            method: Method::parse(self.method)?,
            url: RequestUrl::parse(&format!("{AUDIENCE}{prefix}{}", self.path))?,
            http_version: "1.1".into(),
            headers,
            source: Source::default(),
            client_certificate: None,
            body: None,
            entry: None,
        };
        match policy.decide(&request, keys, now) {
            Progress::Decided(decision) => ensure!(
                decision.reason.code.as_str() == self.code,
                "expected {}, got {:?}",
                self.code,
                decision.reason
            ),
            other => bail!("everything is there, but {other:?}"),
        }
        Ok(Box::new(move || {
            timed(OPERATIONS, |_| {
                black_box(policy.decide(black_box(&request), keys, now));
                Ok(())
            })
        }))
    }
}

/// A service of 1,000 operations below that prefix.
fn policy(prefix: &str) -> Result<PolicySet> {
    let mut text = format!(
        "name: Benchmark\nbase_urls: ['{AUDIENCE}']\n\
         tokens: [{{ issuer: '{ISSUER}', audiences: ['{AUDIENCE}'] }}]\noperations:\n"
    );
    let read = "rules: { scopes: { any_of: [planets.read, planets.admin] } }";
    let write = "rules: { scopes: { all_of: [planets.write] } }";
    let public = "public: true";
    for number in 0..RESOURCES {
        let kinds = [
            ("GET", "", read),
            ("POST", "", write),
            ("GET", "/count", public),
            ("GET", "/export", read),
            ("GET", "/{id}", read),
            ("PUT", "/{id}", write),
            ("GET", "/{id}/items/{item}", public),
            ("DELETE", "/{id}/items/**", write),
        ];
        for (method, below, guard) in kinds {
            let path = format!("{prefix}/resource{number}{below}");
            writeln!(
                text,
                "  - {{ name: '{method} {path}', methods: [{method}], paths: ['{path}'], {guard} }}"
            )?;
        }
    }
    let file = SourceFile {
        path: "services/benchmark.yaml".to_owned(),
        text,
    };
    let policy = compile(&[file], &[]).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let operations = policy.services().iter().map(|s| s.operations().len());
    ensure!(
        operations.sum::<usize>() == 1000,
        "expected 1,000 operations"
    );
    Ok(policy)
}

/// The keys of the one issuer.
pub(crate) struct Keys(Arc<Jwks>);

impl Keys {
    pub(crate) fn of(keys: Jwks) -> Self {
        Self(Arc::new(keys))
    }
}

impl KeySource for Keys {
    fn keys(&self, _: &IssuerUrl) -> Option<Arc<Jwks>> {
        Some(Arc::clone(&self.0))
    }
}

impl Host for Keys {
    fn crypto(&self) -> &dyn CryptoProvider {
        &AwsLc
    }
}

/// The same with the product's cache of verified tokens.
struct Warm {
    keys: Keys,
    tokens: VerifiedTokens,
}

impl KeySource for Warm {
    fn keys(&self, issuer: &IssuerUrl) -> Option<Arc<Jwks>> {
        self.keys.keys(issuer)
    }
}

impl Host for Warm {
    fn crypto(&self) -> &dyn CryptoProvider {
        &AwsLc
    }

    fn verified_token(&self, token: &TokenHash, now: u64) -> Option<Arc<VerifiedToken>> {
        self.tokens.find(token, now)
    }

    fn keep_verified_token(&self, token: TokenHash, verified: Arc<VerifiedToken>, expires: u64) {
        self.tokens.keep(token, verified, expires);
    }
}

/// Takes every signature for genuine, to measure everything else.
pub(crate) struct AnySignature;

impl CryptoProvider for AnySignature {
    fn prepare(
        &self,
        _: Algorithm,
        _: &KeyMaterial<'_>,
    ) -> Result<Box<dyn VerifyingKey>, KeyRejected> {
        Ok(Box::new(Self))
    }

    fn sha256(&self, message: &[u8]) -> [u8; 32] {
        AwsLc.sha256(message)
    }

    fn hmac_sha256(&self, key: &[u8], message: &[u8]) -> [u8; 32] {
        AwsLc.hmac_sha256(key, message)
    }
}

impl VerifyingKey for AnySignature {
    fn verify(&self, _: &[u8], _: &[u8]) -> Result<(), SignatureMismatch> {
        Ok(())
    }
}
