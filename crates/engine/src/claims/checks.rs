//! Every check of the claims of a genuine token (RFC 9068 section 4, RFC 7519 section 4.1).

use serde_json::{Map, Value};

use super::{Confirmation, InvalidClaims, groups_claim, scope_claim, text, time};
use crate::policy_set::TokenIssuer;
use crate::profile::Profile;

/// What the checks look at.
pub(super) struct Subject<'a> {
    pub(super) claims: &'a Map<String, Value>,
    pub(super) typ: Option<&'a str>,
    pub(super) issuer: &'a TokenIssuer,
    pub(super) now: u64,
}

pub(super) type Checked = Result<(), InvalidClaims>;

/// Every check, in the order in which the first failure is the reason of a deny.
pub(super) const CHECKS: [fn(&Subject<'_>) -> Checked; 9] = [
    check_type,
    check_issuer,
    check_audience,
    check_expiry,
    |subject| check_start(subject, subject.issuer.profile == Profile::Rfc9068),
    check_required,
    check_mark,
    |subject| check_lists(subject, subject.issuer.profile.scope_claims()),
    check_confirmation,
];

fn check_type(subject: &Subject<'_>) -> Checked {
    let accepted = subject.issuer.profile.accepts_typ(subject.typ);
    if accepted {
        Ok(())
    } else {
        Err(InvalidClaims::Type)
    }
}

pub(super) fn check_issuer(subject: &Subject<'_>) -> Checked {
    let same = text(subject.claims, "iss")? == subject.issuer.issuer.as_str();
    if same {
        Ok(())
    } else {
        Err(InvalidClaims::Issuer)
    }
}

pub(super) fn check_audience(subject: &Subject<'_>) -> Checked {
    let Subject { claims, issuer, .. } = subject;
    if issuer.any_audience {
        return Ok(());
    }
    let ours = |audience: &str| issuer.audiences.iter().any(|known| known == audience);
    let meant_for_us = match claims.get("aud") {
        Some(Value::String(audience)) => ours(audience),
        Some(Value::Array(audiences))
            if !audiences.is_empty() && audiences.iter().all(Value::is_string) =>
        {
            audiences.iter().filter_map(Value::as_str).any(ours)
        }
        None if issuer.profile.client_is_audience() => ours(text(claims, "client_id")?),
        None => return Err(InvalidClaims::Missing { name: "aud" }),
        Some(_) => return Err(InvalidClaims::NotAList { name: "aud" }),
    };
    if meant_for_us {
        Ok(())
    } else {
        Err(InvalidClaims::Audience)
    }
}

pub(super) fn check_expiry(subject: &Subject<'_>) -> Checked {
    let expires = time(subject.claims, "exp")?.ok_or(InvalidClaims::Missing { name: "exp" })?;
    if seconds(subject.now) < expires + seconds(subject.issuer.leeway) {
        Ok(())
    } else {
        Err(InvalidClaims::Expired)
    }
}

pub(super) fn check_start(subject: &Subject<'_>, needs_iat: bool) -> Checked {
    let latest = seconds(subject.now.saturating_add(subject.issuer.leeway));
    let issued = time(subject.claims, "iat")?;
    if issued.is_none() && needs_iat {
        return Err(InvalidClaims::Missing { name: "iat" });
    }
    let starts = time(subject.claims, "nbf")?;
    if [issued, starts]
        .into_iter()
        .flatten()
        .any(|start| start > latest)
    {
        return Err(InvalidClaims::NotYetValid);
    }
    Ok(())
}

fn check_required(subject: &Subject<'_>) -> Checked {
    let required = subject.issuer.profile.required();
    required
        .iter()
        .try_for_each(|name| text(subject.claims, name).map(drop))
}

/// Claims that an ID token has and an access token has not.
const ID_TOKEN_CLAIMS: [&str; 4] = ["nonce", "at_hash", "c_hash", "s_hash"];

fn check_mark(subject: &Subject<'_>) -> Checked {
    let is_id_token = || {
        ID_TOKEN_CLAIMS
            .iter()
            .any(|name| subject.claims.contains_key(*name))
    };
    if subject.issuer.profile.resembles_id_token() && is_id_token() {
        return Err(InvalidClaims::Type);
    }
    match subject.issuer.profile.access_token_mark() {
        Some((name, mark)) if text(subject.claims, name)? != mark => Err(InvalidClaims::Type),
        _ => Ok(()),
    }
}

/// Scopes are a string or an array of strings, groups an array of strings.
pub(super) fn check_lists(subject: &Subject<'_>, scope_claims: &[&str]) -> Checked {
    match scope_claim(subject.claims, scope_claims) {
        None | Some(Value::String(_)) => {}
        Some(Value::Array(scopes)) if scopes.iter().all(Value::is_string) => {}
        Some(_) => {
            return Err(InvalidClaims::NotAList {
                name: "scope or scp",
            });
        }
    }
    let (name, groups) = groups_claim(subject.claims, subject.issuer);
    match groups {
        None => Ok(()),
        Some(Value::Array(groups)) if groups.iter().all(Value::is_string) => Ok(()),
        Some(_) => Err(InvalidClaims::NotAList { name }),
    }
}

/// A token that is bound to something which nobody here can check is worth nothing (RFC 7800
/// section 3.1 leaves that to the application; RFC 9449 section 7.1, RFC 8705 section 3).
pub(super) fn check_confirmation(subject: &Subject<'_>) -> Checked {
    match Confirmation::of(subject.claims) {
        Some(_) => Ok(()),
        None => Err(InvalidClaims::Bound),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a NumericDate may have a fraction; seconds fit 52 bits"
)]
pub(super) fn seconds(unix: u64) -> f64 {
    unix as f64
}
