//! DPoP proofs (RFC 9449 section 4.3): that whoever sends a token holds the key that it is bound to.

use portcullis_jose::{CompactJws, CryptoProvider, JsonObject, Jwk, JwsError, SymmetricKeys};
use portcullis_model::{ApiRequest, RequestUrl};

use crate::credential::TokenHash;
use crate::host::{Nonces, ProofId};

/// How old a proof may be, in seconds, beside the leeway. RFC 9449 section 11.1 asks for a window
/// of seconds or minutes, in which proofs are kept from being used again.
pub const MAX_PROOF_AGE: u64 = 60;
/// Longest `jti`, in bytes.
const MAX_JTI_BYTES: usize = 256;
/// Longest proof, in bytes: a key, a signature, a URL.
const MAX_PROOF_BYTES: usize = 8 * 1024;

/// What a proof has to prove.
#[derive(Clone, Copy)]
pub(crate) struct Demand<'a> {
    pub(crate) request: &'a ApiRequest,
    pub(crate) token: &'a TokenHash,
    /// The thumbprint in the token's `cnf.jkt`.
    pub(crate) jkt: &'a str,
    pub(crate) now: u64,
    pub(crate) leeway: u64,
    pub(crate) nonces: Option<&'a dyn Nonces>,
}

/// A proof that holds but for one question: whether it was seen before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof {
    pub(crate) id: ProofId,
    /// When it becomes too old to be accepted.
    pub(crate) until: u64,
}

/// Checks the one `DPoP` header of a request, in the order of RFC 9449 section 4.3.
pub(crate) fn check(
    demand: &Demand<'_>,
    crypto: &dyn CryptoProvider,
) -> Result<Proof, InvalidProof> {
    let mut headers = demand.request.headers.values("dpop");
    let text = match (headers.next(), headers.next()) {
        (Some(text), None) => text,
        (None, _) => return Err(InvalidProof::Missing),
        (Some(_), Some(_)) => return Err(InvalidProof::Repeated),
    };
    if text.len() > MAX_PROOF_BYTES {
        return Err(InvalidProof::TooLong);
    }
    let jws = CompactJws::parse(text).map_err(InvalidProof::Form)?;
    if !jws.typ().is_some_and(is_dpop_type) {
        return Err(InvalidProof::Type);
    }
    let jwk = jws.header().get("jwk").and_then(|jwk| jwk.as_object());
    let jwk = jwk.ok_or(InvalidProof::Key)?;
    let key =
        Jwk::from_object(jwk, SymmetricKeys::Refuse, crypto).map_err(|_| InvalidProof::Key)?;
    if !key.thumbprint().matches(demand.jkt) {
        return Err(InvalidProof::OtherKey);
    }
    jws.verify(&key).map_err(|_| InvalidProof::Signature)?;
    let claims = jws.payload();
    let jti = text_claim(claims, "jti")?;
    if jti.len() > MAX_JTI_BYTES {
        return Err(InvalidProof::Claim { name: "jti" });
    }
    if text_claim(claims, "htm")? != demand.request.method.as_str() {
        return Err(InvalidProof::Method);
    }
    if !same_target(text_claim(claims, "htu")?, &demand.request.url) {
        return Err(InvalidProof::Url);
    }
    if !names_token(text_claim(claims, "ath")?, demand.token) {
        return Err(InvalidProof::Token);
    }
    let issued = claims.get("iat").and_then(whole_seconds);
    let issued = issued.ok_or(InvalidProof::Claim { name: "iat" })?;
    let until = issued
        .saturating_add(MAX_PROOF_AGE)
        .saturating_add(demand.leeway);
    if issued > demand.now.saturating_add(demand.leeway) || until < demand.now {
        return Err(InvalidProof::Age);
    }
    // Nobody asks for these two, but whoever sets them means them (RFC 7519 sections 4.1.4 and 4.1.5).
    let bound = |name: &'static str| match claims.get(name) {
        None => Ok(None),
        Some(time) => whole_seconds(time)
            .map(Some)
            .ok_or(InvalidProof::Claim { name }),
    };
    let expired = bound("exp")?.is_some_and(|exp| exp.saturating_add(demand.leeway) <= demand.now);
    let early = bound("nbf")?.is_some_and(|nbf| nbf > demand.now.saturating_add(demand.leeway));
    if expired || early {
        return Err(InvalidProof::Age);
    }
    if let Some(nonces) = demand.nonces {
        let nonce = claims.get("nonce").and_then(|nonce| nonce.as_str());
        if !nonce.is_some_and(|nonce| nonces.accepts(nonce, demand.now)) {
            return Err(InvalidProof::Nonce);
        }
    }
    let mut identity = key.thumbprint().as_bytes().to_vec();
    identity.extend_from_slice(jti.as_bytes());
    Ok(Proof {
        id: ProofId::new(crypto.sha256(&identity)),
        until,
    })
}

/// `dpop+jwt`, compared as a media type (RFC 7515 section 4.1.9).
fn is_dpop_type(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("dpop+jwt") || typ.eq_ignore_ascii_case("application/dpop+jwt")
}

fn text_claim<'claims>(
    claims: &'claims JsonObject,
    name: &'static str,
) -> Result<&'claims str, InvalidProof> {
    let text = claims.get(name).and_then(|claim| claim.as_str());
    text.filter(|text| !text.is_empty())
        .ok_or(InvalidProof::Claim { name })
}

/// A `NumericDate` (RFC 7519 section 2), without its fraction.
fn whole_seconds(claim: &serde_json::Value) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be finite and not negative, and a cast of a float saturates"
    )]
    let whole = |seconds: f64| (seconds.is_finite() && seconds >= 0.0).then_some(seconds as u64);
    claim.as_u64().or_else(|| claim.as_f64().and_then(whole))
}

fn names_token(ath: &str, token: &TokenHash) -> bool {
    portcullis_jose::base64url_decode(ath).is_some_and(|digest| digest == token.as_bytes())
}

/// Whether `htu` is the URL of the request, but for query and fragment, after the normalization of
/// RFC 3986 sections 6.2.2 and 6.2.3 (RFC 9449 section 4.3, step 9). Dot segments are not removed:
/// no request that gets here has any.
fn same_target(htu: &str, url: &RequestUrl) -> bool {
    let without_rest = htu.split(['?', '#']).next().unwrap_or_default();
    let Ok(target) = RequestUrl::parse(without_rest) else {
        return false;
    };
    (target.scheme(), target.host(), target.port()) == (url.scheme(), url.host(), url.port())
        && normal_path(target.path()) == normal_path(url.path())
}

/// Escapes in upper case, and none where the character needs none (RFC 3986 section 6.2.2).
fn normal_path(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((plain, escaped)) = rest.split_once('%') {
        normal.push_str(plain);
        let (digits, after) = match escaped.split_at_checked(2) {
            Some((digits, after)) => (digits, after),
            None => (escaped, ""),
        };
        match u8::from_str_radix(digits, 16) {
            Ok(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normal.push(char::from(byte));
            }
            _ => {
                normal.push('%');
                normal.push_str(&digits.to_ascii_uppercase());
            }
        }
        rest = after;
    }
    normal.push_str(rest);
    if normal.is_empty() {
        normal.push('/');
    }
    normal
}

/// Why a proof was refused (RFC 9449 section 4.3). Messages name claims, never their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProof {
    /// There is no `DPoP` header.
    #[error("the request carries no DPoP proof")]
    Missing,
    /// There are several.
    #[error("the request carries more than one DPoP header")]
    Repeated,
    /// It is longer than any proof.
    #[error("the DPoP proof is longer than {MAX_PROOF_BYTES} bytes")]
    TooLong,
    /// It is no signed JWT.
    #[error("the DPoP proof is malformed: {0}")]
    Form(JwsError),
    /// `typ` is not `dpop+jwt`.
    #[error("the DPoP proof's typ is not dpop+jwt")]
    Type,
    /// `jwk` is missing, private, symmetric, weak or not for signatures.
    #[error("the DPoP proof holds no usable public key")]
    Key,
    /// The key is not the one that the token is bound to.
    #[error("the DPoP proof was made with another key than the one that the token is bound to")]
    OtherKey,
    /// The signature does not hold.
    #[error("the signature of the DPoP proof does not match")]
    Signature,
    /// A claim is missing or of another type.
    #[error("claim {name} of the DPoP proof is missing or malformed")]
    Claim {
        /// The claim.
        name: &'static str,
    },
    /// `htm` is another method.
    #[error("the DPoP proof is for another method")]
    Method,
    /// `htu` is another URL.
    #[error("the DPoP proof is for another URL")]
    Url,
    /// `ath` is another token's.
    #[error("the DPoP proof is for another access token")]
    Token,
    /// `iat` is too long ago or in the future.
    #[error("the DPoP proof is too old or from the future")]
    Age,
    /// `nonce` is missing or not one that was given out lately.
    #[error("the DPoP proof needs the nonce that comes with this answer")]
    Nonce,
    /// The proof was used before.
    #[error("the DPoP proof was used before")]
    Replayed,
}

impl InvalidProof {
    /// The specification that asks for the check.
    #[must_use]
    pub const fn reference(self) -> &'static str {
        match self {
            Self::Missing => "RFC 9449 section 7.1",
            Self::Nonce => "RFC 9449 section 9",
            Self::Age | Self::Replayed => "RFC 9449 section 11.1",
            Self::OtherKey => "RFC 9449 section 6.1",
            _ => "RFC 9449 section 4.3",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_compared_after_normalization() {
        let url = |raw| RequestUrl::parse(raw).unwrap();
        for (htu, request) in [
            ("https://A.example:443/x", "https://a.example/x?y=1"),
            ("https://a.example/x?other#part", "https://a.example/x"),
            ("https://a.example", "https://a.example/"),
            ("https://a.example/%7Ea%c3%a9", "https://a.example/~a%C3%A9"),
        ] {
            assert!(same_target(htu, &url(request)), "{htu}");
        }
        for (htu, request) in [
            ("http://a.example/x", "https://a.example/x"),
            ("https://a.example/x/", "https://a.example/x"),
            ("https://a.example/x", "https://b.example/x"),
            ("https://a.example:444/x", "https://a.example/x"),
            ("https://a.example/a%2Fb", "https://a.example/a/b"),
            ("/x", "https://a.example/x"),
            ("https://u@a.example/x", "https://a.example/x"),
        ] {
            assert!(!same_target(htu, &url(request)), "{htu}");
        }
    }
}
