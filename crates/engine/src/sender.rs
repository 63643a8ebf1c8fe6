//! Who may send a token: whoever holds the key or the certificate that it is bound to (RFC 9449
//! section 7.1, RFC 8705 section 3), and anyone where it is bound to nothing.
//!
//! Asked of every token, whatever the rules of the operation say: a bound token that passed as a
//! bearer token would be worth as little as one.

use portcullis_jose::JsonObject;
use portcullis_model::{ApiRequest, ChallengeScheme, ClientCertificate};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::claims::AccessToken;
use crate::credential::{self, SentToken, TokenHash};
use crate::dpop::{self, Demand, InvalidProof};
use crate::host::{Host, ProofUse};
use crate::policy_set::TokenIssuer;

/// Why the sender of a request may not send its token, for people who ask; `None` where it may, as the
/// engine sees it. The claims are those of a token of that issuer whose signature was verified.
#[must_use]
pub fn sender_finding(
    claims: &JsonObject,
    issuer: &TokenIssuer,
    request: &ApiRequest,
    host: &dyn Host,
    now: u64,
) -> Option<SenderFinding> {
    let token = AccessToken::of(claims, issuer.profile.scope_claims(), issuer, now);
    let Ok(Some(sent)) = credential::token(request) else {
        return Some(SenderFinding {
            message: "the request does not carry one access token".to_owned(),
            reference: "RFC 6750 section 2.1",
        });
    };
    let hash = TokenHash::of(sent.text, host.crypto());
    let error = check(&token, &sent, &hash, request, host).err()?;
    Some(SenderFinding {
        message: error.to_string(),
        reference: error.reference(),
    })
}

/// Why a genuine token was not taken from whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderFinding {
    /// One sentence; it holds no value of a claim.
    pub message: String,
    /// The specification that asks for the check.
    pub reference: &'static str,
}

/// Checks that whoever sent the token may send it.
pub(crate) fn check(
    token: &AccessToken<'_>,
    sent: &SentToken<'_>,
    hash: &TokenHash,
    request: &ApiRequest,
    host: &dyn Host,
) -> Result<(), NotTheSender> {
    let confirmation = token.confirmation().ok_or(NotTheSender::NotCheckable)?;
    if let Some(thumbprint) = confirmation.x5t_s256 {
        check_certificate(thumbprint, request.client_certificate.as_ref(), host)?;
    }
    match (confirmation.jkt, sent.scheme) {
        (None, ChallengeScheme::Bearer) => Ok(()),
        (None, ChallengeScheme::Dpop) => Err(NotTheSender::NotBound),
        (Some(_), ChallengeScheme::Bearer) => Err(NotTheSender::SentAsBearer),
        (Some(jkt), ChallengeScheme::Dpop) => {
            let demand = Demand {
                request,
                token: hash,
                jkt,
                now: token.now(),
                leeway: token.leeway(),
                nonces: host.nonces(),
            };
            let proof = dpop::check(&demand, host.crypto())?;
            match host.note_proof(proof.id, proof.until, token.now()) {
                ProofUse::First => Ok(()),
                ProofUse::Repeated => Err(NotTheSender::Proof(InvalidProof::Replayed)),
                ProofUse::NoRoom => Err(NotTheSender::NoRoom),
            }
        }
    }
}

/// The `x5t#S256` thumbprint of a certificate (RFC 8705 section 3.1); `None` where it is none.
pub(crate) fn thumbprint(certificate: &ClientCertificate, host: &dyn Host) -> Option<String> {
    let der = CertificateDer::from_pem_slice(certificate.pem.as_bytes()).ok()?;
    Some(portcullis_jose::base64url_encode(
        &host.crypto().sha256(&der),
    ))
}

/// Compares `cnf["x5t#S256"]` with the certificate of the TLS connection (RFC 8705 section 3.1).
fn check_certificate(
    thumbprint: &str,
    certificate: Option<&ClientCertificate>,
    host: &dyn Host,
) -> Result<(), NotTheSender> {
    let certificate = certificate.ok_or(NotTheSender::NoCertificate)?;
    let der = CertificateDer::from_pem_slice(certificate.pem.as_bytes())
        .map_err(|_| NotTheSender::NoCertificate)?;
    let digest = host.crypto().sha256(&der);
    let named = portcullis_jose::base64url_decode(thumbprint);
    if named.is_some_and(|named| named == digest) {
        Ok(())
    } else {
        Err(NotTheSender::OtherCertificate)
    }
}

/// Why a genuine token was not taken from whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotTheSender {
    /// `cnf` is there and names nothing that can be checked.
    #[error("the token is bound to something that cannot be checked")]
    NotCheckable,
    /// `Authorization: DPoP` with a token that is bound to no key.
    #[error("the token was sent under the scheme DPoP but is bound to no DPoP key")]
    NotBound,
    /// `Authorization: Bearer` with a token that is bound to a DPoP key.
    #[error("the token is bound to a DPoP key and was sent as a bearer token, without proof of it")]
    SentAsBearer,
    /// The proof does not hold.
    #[error(transparent)]
    Proof(#[from] InvalidProof),
    /// The token is bound to a certificate, and there is none.
    #[error("the token is bound to a client certificate, and the request came without one")]
    NoCertificate,
    /// It came with another one.
    #[error("the token is bound to another client certificate")]
    OtherCertificate,
    /// Replay cannot be ruled out.
    #[error("there is no room left to remember DPoP proofs, so none can be accepted")]
    NoRoom,
}

impl NotTheSender {
    /// The specification that asks for the check.
    const fn reference(self) -> &'static str {
        match self {
            Self::NotCheckable => "RFC 7800 section 3.1",
            Self::NotBound | Self::SentAsBearer => "RFC 9449 section 7.1",
            Self::Proof(error) => error.reference(),
            Self::NoCertificate | Self::OtherCertificate => "RFC 8705 section 3",
            Self::NoRoom => "RFC 9449 section 11.1",
        }
    }
}
