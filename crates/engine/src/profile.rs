//! How the access tokens of one kind of authorization server differ from RFC 9068.
//!
//! A profile says which `typ` headers name an access token, which claim holds the scopes, and
//! which claim tells an access token from an ID token where the `typ` header does not. Scope
//! claims are alternatives: the first that is present counts, they are never merged.

/// A kind of authorization server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// RFC 9068 as written: `typ` is `at+jwt` and all claims of its section 2.2 are there.
    #[default]
    Rfc9068,
    /// Okta custom authorization servers: no `typ`, scopes in the array `scp`, client in `cid`.
    Okta,
    /// Auth0: `typ` is `JWT` unless the API uses the RFC 9068 profile; client in `azp`.
    Auth0,
    /// Amazon Cognito: `token_use` is `access`; the audience may be the `client_id`.
    Cognito,
    /// Microsoft Entra ID: scopes in the string `scp`, client in `azp` or `appid`.
    Entra,
    /// Keycloak: `typ` header `JWT`, claim `typ` `Bearer`, client in `azp`.
    Keycloak,
    /// Any other: `typ` is absent, `JWT` or `at+jwt`; scopes in `scope` or else `scp`.
    Generic,
}

impl Profile {
    /// Every profile with its name in a policy.
    pub const ALL: &[(&str, Self)] = &[
        ("rfc9068", Self::Rfc9068),
        ("okta", Self::Okta),
        ("auth0", Self::Auth0),
        ("cognito", Self::Cognito),
        ("entra", Self::Entra),
        ("keycloak", Self::Keycloak),
        ("generic", Self::Generic),
    ];

    /// The profile of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, profile)| *profile)
    }

    /// The name in a policy.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, profile)| *profile == self)
            .map_or("rfc9068", |(name, _)| name)
    }

    /// Whether that `typ` header names an access token. A media type is compared without regard
    /// to case, with or without `application/` (RFC 7515 section 4.1.9).
    pub(crate) fn accepts_typ(self, typ: Option<&str>) -> bool {
        const PREFIX: &str = "application/";
        let Some(typ) = typ else {
            return self != Self::Rfc9068;
        };
        let name = match typ.split_at_checked(PREFIX.len()) {
            Some((prefix, name)) if prefix.eq_ignore_ascii_case(PREFIX) => name,
            _ => typ,
        };
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match self {
            Self::Rfc9068 => is("at+jwt"),
            Self::Okta if is("okta-internal-at+jwt") => true,
            _ => is("jwt") || is("at+jwt"),
        }
    }

    /// Claims of type string that must be there beside `iss` and `exp`.
    pub(crate) const fn required(self) -> &'static [&'static str] {
        match self {
            Self::Rfc9068 => &["sub", "client_id", "jti"],
            Self::Okta => &["sub", "cid"],
            Self::Cognito => &["sub", "client_id", "token_use"],
            _ => &["sub"],
        }
    }

    /// A claim whose value tells an access token from an ID token.
    pub(crate) const fn access_token_mark(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Cognito => Some(("token_use", "access")),
            Self::Keycloak => Some(("typ", "Bearer")),
            _ => None,
        }
    }

    /// Whether an ID token looks like an access token of this kind but for the claims that only ID
    /// tokens have (OpenID Connect Core sections 2 and 3.1.3.6).
    pub(crate) const fn resembles_id_token(self) -> bool {
        matches!(self, Self::Auth0 | Self::Entra | Self::Generic)
    }

    /// Where the scopes are; the first claim that is present counts.
    pub(crate) const fn scope_claims(self) -> &'static [&'static str] {
        match self {
            Self::Okta | Self::Entra => &["scp"],
            Self::Generic => &["scope", "scp"],
            _ => &["scope"],
        }
    }

    /// Where the groups are.
    pub(crate) const fn groups_claim(self) -> &'static str {
        match self {
            Self::Cognito => "cognito:groups",
            _ => "groups",
        }
    }

    /// Whether a token without `aud` is meant for the audience that its `client_id` names.
    pub(crate) const fn client_is_audience(self) -> bool {
        matches!(self, Self::Cognito)
    }
}
