//! `WWW-Authenticate` challenges: RFC 6750 section 3 (Bearer), RFC 9449 section 7.1 (DPoP),
//! RFC 9470 section 3 (step-up) and RFC 9728 section 5.1 (`resource_metadata`).

use std::fmt;

/// What a client that is turned away is told about how to get in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Challenge {
    /// The scheme.
    pub scheme: ChallengeScheme,
    /// The protection space, by convention the base URL of the API service.
    pub realm: Option<String>,
    /// What was wrong; absent where the request carried no token at all (RFC 6750 section 3.1).
    pub error: Option<ChallengeError>,
    /// A sentence for the developer of the client.
    pub error_description: Option<String>,
    /// The scopes that would do, separated by spaces.
    pub scope: Option<String>,
    /// The authentication context classes that would do, separated by spaces (RFC 9470).
    pub acr_values: Option<String>,
    /// How long ago the user may have authenticated, in seconds (RFC 9470).
    pub max_age: Option<u64>,
    /// Where the metadata of the protected resource is (RFC 9728).
    pub resource_metadata: Option<String>,
    /// The signature algorithms of DPoP proofs that are accepted, separated by spaces (RFC 9449).
    pub algs: Option<String>,
}

/// The authentication scheme of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChallengeScheme {
    /// RFC 6750.
    #[default]
    Bearer,
    /// RFC 9449.
    Dpop,
}

/// The error code of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeError {
    /// RFC 6750 section 3.1, status 400.
    InvalidRequest,
    /// RFC 6750 section 3.1, status 401.
    InvalidToken,
    /// RFC 6750 section 3.1, status 403.
    InsufficientScope,
    /// RFC 9470 section 3, status 401.
    InsufficientUserAuthentication,
    /// RFC 9449 section 7.1, status 401.
    InvalidDpopProof,
    /// RFC 9449 section 9, status 401.
    UseDpopNonce,
}

impl ChallengeError {
    /// The code on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
        }
    }

    const ALL: [Self; 6] = [
        Self::InvalidRequest,
        Self::InvalidToken,
        Self::InsufficientScope,
        Self::InsufficientUserAuthentication,
        Self::InvalidDpopProof,
        Self::UseDpopNonce,
    ];

    /// The error code in a `WWW-Authenticate` value that another decision point wrote; `None` where
    /// there is none or an unknown one. What stands inside quotes is never taken for a parameter.
    #[must_use]
    pub fn in_challenge(value: &str) -> Option<Self> {
        let mut rest = value
            .split_once(' ')
            .map_or("", |(_, parameters)| parameters);
        while let Some((name, after)) = rest.split_once('=') {
            let name = name.trim_matches([' ', ',']);
            let (text, after) = match after.trim_start().strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            if name.eq_ignore_ascii_case("error") {
                return Self::ALL
                    .into_iter()
                    .find(|known| known.as_str() == text.trim());
            }
            rest = after;
        }
        None
    }
}

/// The header value. Characters that RFC 6750 section 3 does not allow are left out.
impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            ChallengeScheme::Bearer => "Bearer",
            ChallengeScheme::Dpop => "DPoP",
        })?;
        let max_age = self.max_age.map(|seconds| seconds.to_string());
        let quoted = [
            ("realm", self.realm.as_deref()),
            ("error", self.error.map(ChallengeError::as_str)),
            ("error_description", self.error_description.as_deref()),
            ("scope", self.scope.as_deref()),
            ("acr_values", self.acr_values.as_deref()),
            ("max_age", max_age.as_deref()),
            ("resource_metadata", self.resource_metadata.as_deref()),
            ("algs", self.algs.as_deref()),
        ];
        let present = quoted
            .iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)));
        for (index, (name, value)) in present.enumerate() {
            f.write_str(if index == 0 { " " } else { ", " })?;
            // max_age is a number, the one parameter that RFC 9470 section 3 shows unquoted.
            let quote = if *name == "max_age" { "" } else { "\"" };
            write!(f, "{name}={quote}")?;
            for character in value
                .chars()
                .filter(|c| matches!(c, ' ' | '!' | '#'..='[' | ']'..='~'))
            {
                write!(f, "{character}")?;
            }
            f.write_str(quote)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_like_the_examples_of_the_rfcs() {
        let missing = Challenge {
            realm: Some("example".into()),
            ..Challenge::default()
        };
        assert_eq!(missing.to_string(), "Bearer realm=\"example\"");
        let step_up = Challenge {
            error: Some(ChallengeError::InsufficientUserAuthentication),
            error_description: Some("A different authentication level is required".into()),
            acr_values: Some("myACR".into()),
            max_age: Some(5),
            ..Challenge::default()
        };
        assert_eq!(
            step_up.to_string(),
            "Bearer error=\"insufficient_user_authentication\", \
             error_description=\"A different authentication level is required\", acr_values=\"myACR\", max_age=5"
        );
        assert_eq!(Challenge::default().to_string(), "Bearer");
    }

    #[test]
    fn the_error_of_a_foreign_challenge_is_found() {
        let found = ChallengeError::in_challenge;
        let scope = Some(ChallengeError::InsufficientScope);
        assert_eq!(
            found("Bearer realm=\"x\", error=\"insufficient_scope\", scope=\"a\""),
            scope
        );
        assert_eq!(found("Bearer error=insufficient_scope"), scope);
        assert_eq!(found("bearer Error = \"insufficient_scope\""), scope);
        for other in [
            "",
            "Bearer",
            "Bearer realm=\"error=insufficient_scope\"",
            "Bearer realm=\"x, error=insufficient_scope",
            "Bearer error_description=\"insufficient_scope\"",
            "Bearer error=\"other\"",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn finding_an_error_never_panics(value in ".*") {
            let _ = ChallengeError::in_challenge(&value);
        }

        #[test]
        fn never_breaks_out_of_its_quotes(realm in ".*", scope in ".*") {
            let challenge = Challenge { realm: Some(realm), scope: Some(scope), ..Challenge::default() }.to_string();
            prop_assert_eq!(challenge.matches('"').count(), 4);
            prop_assert!(!challenge.contains(|c: char| c.is_control() || c == '\\'));
        }
    }
}
