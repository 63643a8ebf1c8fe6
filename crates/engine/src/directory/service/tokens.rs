//! Whose tokens a service takes: issuers, audiences, introspection, and where claims are found.

use serde_saphyr::Spanned;

use super::super::document::{IntrospectionDocument, TokenDocument};
use super::ServiceReader;
use crate::claim_path::ClaimPath;
use crate::issuer::IssuerUrl;
use crate::policy::ClaimType;
use crate::policy_set::{ClientAuthenticationMethod, IntrospectionPolicy, TokenIssuer};
use crate::profile::Profile;

/// How long an active answer of an issuer is used where nothing else is set, and at most, in
/// seconds. A token that is revoked is accepted for that long.
const DEFAULT_INTROSPECTION_AGE: u64 = 30;
const MAX_INTROSPECTION_AGE: u64 = 3600;

impl ServiceReader<'_> {
    pub(super) fn token_issuers(&mut self, documents: &[TokenDocument]) -> Vec<TokenIssuer> {
        let mut issuers: Vec<TokenIssuer> = Vec::new();
        for document in documents {
            let audiences = document.audiences.clone();
            let any_audience = document.any_audience.as_ref().is_some_and(|any| any.value);
            if any_audience != audiences.is_empty() || audiences.iter().any(String::is_empty) {
                self.problem(
                    &document.issuer,
                    "audiences lists at least one audience that is not empty; where tokens for any audience are to be accepted, any_audience: true stands in its place",
                );
            }
            let profile = self.profile(document.profile.as_ref());
            let issuer = match IssuerUrl::parse(&document.issuer.value) {
                Ok(issuer) => issuer,
                Err(error) => {
                    self.problem(
                        &document.issuer,
                        format!("issuer \"{}\": {error}", document.issuer.value),
                    );
                    continue;
                }
            };
            if issuers.iter().any(|other| other.issuer == issuer) {
                self.problem(
                    &document.issuer,
                    format!("issuer \"{issuer}\" stands twice in one service"),
                );
            }
            let leeway = self.leeway(document.leeway.as_ref());
            let introspection = document
                .introspection
                .as_ref()
                .and_then(|introspection| self.introspection(introspection));
            if introspection.is_some() && issuers.iter().any(|other| other.introspection.is_some())
            {
                self.problem(
                    &document.issuer,
                    "an opaque token does not name its issuer, so only one issuer of a service can have introspection",
                );
            }
            let claims = document.claims.as_ref();
            let groups = claims.and_then(|claims| self.claim_path(claims.groups.as_ref()));
            let permissions =
                claims.and_then(|claims| self.claim_path(claims.permissions.as_ref()));
            issuers.push(TokenIssuer {
                any_audience,
                leeway,
                groups,
                permissions,
                introspection,
                ..TokenIssuer::new(issuer, audiences, profile)
            });
        }
        issuers
    }

    pub(super) fn claim_types(&mut self, documents: &[TokenDocument]) -> Vec<(String, ClaimType)> {
        let mut types: Vec<(String, ClaimType)> = Vec::new();
        for (name, kind) in documents
            .iter()
            .filter_map(|document| document.claims.as_ref())
            .flat_map(|claims| &claims.types)
        {
            let Some(found) = self.named(kind, "types", &ClaimType::ALL) else {
                continue;
            };
            match types.iter().find(|(known, _)| known == name) {
                Some((_, other)) if *other != found => {
                    self.problem(
                        kind,
                        format!("claim \"{name}\" has two types in one service"),
                    );
                }
                Some(_) => {}
                None => types.push((name.clone(), found)),
            }
        }
        types
    }

    fn claim_path(&mut self, path: Option<&Spanned<String>>) -> Option<ClaimPath> {
        let path = path?;
        match ClaimPath::parse(&path.value) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.problem(path, format!("\"{}\": {error}", path.value.escape_debug()));
                None
            }
        }
    }

    fn leeway(&mut self, leeway: Option<&Spanned<u64>>) -> u64 {
        let Some(leeway) = leeway else {
            return TokenIssuer::DEFAULT_LEEWAY;
        };
        if leeway.value > TokenIssuer::MAX_LEEWAY {
            let most = TokenIssuer::MAX_LEEWAY;
            self.problem(
                leeway,
                format!("leeway is a number of seconds from 0 to {most}"),
            );
        }
        leeway.value
    }

    fn introspection(
        &mut self,
        introspection: &Spanned<IntrospectionDocument>,
    ) -> Option<IntrospectionPolicy> {
        let document = &introspection.value;
        if let Some(endpoint) = &document.endpoint
            && let Err(error) = IssuerUrl::parse(&endpoint.value)
        {
            self.problem(
                endpoint,
                format!("endpoint \"{}\": {error}", endpoint.value),
            );
        }
        if document.client_id.value.is_empty() {
            self.problem(&document.client_id, "client_id is empty");
        }
        let variable = &document.secret;
        let names_variable = !variable.value.is_empty()
            && variable
                .value
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if !names_variable {
            // What stands here may be the secret itself, so it is not shown.
            self.problem(
                variable,
                "secret names the environment variable that holds the client's secret or private key, such as INTROSPECTION_SECRET; the secret itself has no place in a policy",
            );
        }
        let authentication = match &document.authentication {
            None => Some(ClientAuthenticationMethod::ClientSecretBasic),
            Some(method) => self.named(method, "authentication", &ClientAuthenticationMethod::ALL),
        };
        let max_age = document
            .max_age
            .as_ref()
            .map_or(DEFAULT_INTROSPECTION_AGE, |age| age.value);
        if let Some(age) = &document.max_age
            && age.value > MAX_INTROSPECTION_AGE
        {
            self.problem(
                age,
                format!("max_age is a number of seconds from 0 to {MAX_INTROSPECTION_AGE}"),
            );
        }
        let audience_optional = match &document.audience {
            None => false,
            Some(audience) => self
                .named(
                    audience,
                    "audience",
                    &[("required", false), ("optional", true)],
                )
                .unwrap_or(false),
        };
        Some(IntrospectionPolicy {
            endpoint: document
                .endpoint
                .as_ref()
                .map(|endpoint| endpoint.value.clone()),
            client_id: document.client_id.value.clone(),
            authentication: authentication?,
            secret: variable.value.clone(),
            signed: document.signed.as_ref().is_some_and(|signed| signed.value),
            max_age,
            audience_optional,
        })
    }

    fn profile(&mut self, profile: Option<&Spanned<String>>) -> Profile {
        let Some(name) = profile else {
            return Profile::default();
        };
        Profile::named(&name.value).unwrap_or_else(|| {
            let known = Profile::ALL.iter().map(|(name, _)| *name);
            self.unknown_value(name, "profile", known);
            Profile::default()
        })
    }
}
