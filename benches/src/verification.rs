//! Verification of an access token with a cached key: parsing, signature and claims, beside the
//! bare signature check and two other verifiers, on the same tokens.

use std::cell::RefCell;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use portcullis_engine::{AccessToken, IssuerUrl, Profile, TokenIssuer};
use portcullis_jose::{AwsLc, CompactJws, JsonObject, Jwks, SymmetricKeys};

use crate::peer::AwsJwtVerify;
use crate::rounds::{Round, Spread, take_turns, timed};
use crate::tokens::{AUDIENCE, ISSUER, Signed, Tokens};

/// How many rounds are measured, and how many tokens each contestant verifies in one.
pub(crate) const ROUNDS: usize = 300;
pub(crate) const OPERATIONS: u32 = 100;
/// Rounds before those that count: Node.js compiles what it finds to be hot.
const WARM_UP: usize = 30;

/// What was measured.
pub(crate) struct Verification {
    pub(crate) algorithms: Vec<AlgorithmFigures>,
    /// The versions of aws-jwt-verify and of Node.js.
    pub(crate) peer: (String, String),
}

/// The figures of one algorithm; times in seconds.
pub(crate) struct AlgorithmFigures {
    pub(crate) algorithm: &'static str,
    pub(crate) token_len: usize,
    pub(crate) portcullis: Spread,
    pub(crate) bare: Spread,
    pub(crate) jsonwebtoken: Spread,
    pub(crate) aws_jwt_verify: Spread,
    /// How many times as long as the bare signature check Portcullis takes.
    pub(crate) over_bare: Spread,
    /// How many times as long as Portcullis the peers take.
    pub(crate) jsonwebtoken_over: Spread,
    pub(crate) aws_jwt_verify_over: Spread,
    /// How many times as long as the bare signature check aws-jwt-verify takes.
    pub(crate) aws_jwt_verify_over_bare: Spread,
}

impl Verification {
    pub(crate) fn measure(root: &Path, now: u64) -> Result<Self> {
        let tokens = Tokens::new(now)?;
        let peer = RefCell::new(AwsJwtVerify::start(root, &tokens)?);
        let jwks = Jwks::from_json(
            tokens.jwks.to_string().as_bytes(),
            SymmetricKeys::Refuse,
            &AwsLc,
        )?;
        let algorithms = tokens.algorithms.iter();
        Ok(Self {
            algorithms: algorithms
                .map(|signed| measure(signed, &jwks, &peer, now))
                .collect::<Result<_>>()?,
            peer: peer.into_inner().versions.clone(),
        })
    }
}

fn measure(
    signed: &Signed,
    jwks: &Jwks,
    peer: &RefCell<AwsJwtVerify>,
    now: u64,
) -> Result<AlgorithmFigures> {
    let mut contestants: [Round<'_>; 4] = [
        portcullis(signed, jwks, now)?,
        bare(signed)?,
        jsonwebtoken(signed)?,
        Box::new(|| peer.borrow_mut().round(signed.algorithm, OPERATIONS)),
    ];
    take_turns(&mut contestants, WARM_UP)?;
    let samples = take_turns(&mut contestants, ROUNDS)?;
    let [portcullis, bare, jsonwebtoken, aws_jwt_verify] = samples.as_slice() else {
        anyhow::bail!("every contestant has samples");
    };
    Ok(AlgorithmFigures {
        algorithm: signed.algorithm,
        token_len: signed.token_len(),
        portcullis: portcullis.spread()?,
        bare: bare.spread()?,
        jsonwebtoken: jsonwebtoken.spread()?,
        aws_jwt_verify: aws_jwt_verify.spread()?,
        over_bare: portcullis.ratio_to(bare)?,
        jsonwebtoken_over: jsonwebtoken.ratio_to(portcullis)?,
        aws_jwt_verify_over: aws_jwt_verify.ratio_to(portcullis)?,
        aws_jwt_verify_over_bare: aws_jwt_verify.ratio_to(bare)?,
    })
}

/// What the engine does with a token until it is one whose claims hold.
fn portcullis<'a>(signed: &'a Signed, jwks: &'a Jwks, now: u64) -> Result<Round<'a>> {
    let issuer = IssuerUrl::parse(ISSUER)?;
    let issuer = TokenIssuer::new(issuer, vec![AUDIENCE.to_owned()], Profile::Rfc9068);
    Ok(over(&signed.tokens, move |token| {
        let jws = CompactJws::parse(token)?;
        let named = jws.payload().get("iss").and_then(|issuer| issuer.as_str());
        ensure!(named == Some(issuer.issuer.as_str()), "another issuer");
        let verified = jws.verify_with(jwks)?;
        let findings = AccessToken::findings(verified.payload(), verified.typ(), &issuer, now);
        ensure!(findings.is_empty(), "the claims do not hold");
        black_box(&verified);
        Ok(())
    }))
}

/// The signature check alone: the key is parsed, the signature is decoded.
fn bare(signed: &Signed) -> Result<Round<'_>> {
    let messages = signed.messages()?;
    Ok(Box::new(move || {
        timed(OPERATIONS, |at| {
            let (message, signature) = messages
                .get(at % messages.len())
                .context("there are messages")?;
            Ok(signed.bare_key.verify_sig(black_box(message), signature)?)
        })
    }))
}

/// Its one call, with the key at hand: what finding the key costs its user is left out.
fn jsonwebtoken(signed: &Signed) -> Result<Round<'_>> {
    let key = DecodingKey::from_jwk(&serde_json::from_value(signed.jwk.clone())?)?;
    let algorithm: Algorithm = signed.algorithm.parse()?;
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
    validation.leeway = 5;
    Ok(over(&signed.tokens, move |token| {
        black_box(decode::<JsonObject>(token, &key, &validation)?);
        Ok(())
    }))
}

/// A round over tokens, one after the other.
fn over<'a>(tokens: &'a [String], verify: impl Fn(&str) -> Result<()> + 'a) -> Round<'a> {
    Box::new(move || -> Result<Duration> {
        timed(OPERATIONS, |at| {
            let token = tokens.get(at % tokens.len()).context("there are tokens")?;
            verify(black_box(token))
        })
    })
}
