//! Who may administer the decision service: bearer tokens (RFC 6750 section 2.1) with a role.

use std::fmt;
use std::net::IpAddr;

use axum::http::{HeaderMap, header};
use portcullis_store::{AdminRole, AdminToken, Name, Sha256, Standing, Store, UnixMillis};

use crate::app::AppState;
use crate::call::Authorization;
use crate::error::ApiError;
use crate::secret::{SecretKind, sha256};

/// Shortest administrator token that the environment may give, in bytes.
pub const MIN_ADMIN_TOKEN_BYTES: usize = 32;
/// Longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 512;
/// How old the stored time of last use may be, in milliseconds, before it is stored again.
const USE_RESOLUTION: i64 = 60_000;

/// Who may administer. By itself nobody may.
#[derive(Default)]
pub struct Administration {
    store: Option<Store>,
    given: Option<Sha256>,
    is_open: bool,
}

/// Somebody who administers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Administrator {
    /// The name of the token.
    pub(crate) name: String,
    pub(crate) role: AdminRole,
}

impl Administration {
    /// Also lets those in whose tokens are in this database.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self {
            store: Some(store),
            ..self
        }
    }

    /// Also lets this token in, as a deployer: one from the environment. `None` where it is shorter than
    /// [`MIN_ADMIN_TOKEN_BYTES`] or cannot be sent in a header.
    #[must_use]
    pub fn with_token(self, token: &str) -> Option<Self> {
        let sendable = (MIN_ADMIN_TOKEN_BYTES..=MAX_TOKEN_BYTES).contains(&token.len())
            && token.bytes().all(|byte| byte.is_ascii_graphic());
        sendable.then(|| Self {
            given: Some(sha256(token.as_bytes())),
            ..self
        })
    }

    /// Lets everyone in who can connect, as a deployer: for a loopback address only.
    #[must_use]
    pub fn open(self) -> Self {
        Self {
            is_open: true,
            ..self
        }
    }

    async fn find(&self, token: &[u8], now: UnixMillis) -> Result<Administrator, ApiError> {
        let digest = sha256(token);
        if self.given.as_ref() == Some(&digest) {
            return Ok(Administrator {
                name: "PORTCULLIS_ADMIN_TOKEN".to_owned(),
                role: AdminRole::Deployer,
            });
        }
        // The database is not asked about what can be no token of ours.
        let refused = || ApiError::invalid_admin_token().challenged();
        let may_be = SecretKind::AdminToken.has_form(token);
        let store = self.store.as_ref().filter(|_| may_be);
        let found = store.ok_or_else(refused)?.find_admin_token(&digest).await;
        let found = found.map_err(ApiError::from)?.ok_or_else(refused)?;
        if found.standing(now) != Standing::Live {
            return Err(refused());
        }
        self.used(&found, now).await;
        Ok(Administrator {
            name: found.name.as_str().to_owned(),
            role: found.role,
        })
    }

    /// Stores that a token was used, not more often than anybody looks.
    async fn used(&self, token: &AdminToken, now: UnixMillis) {
        let last = token.last_used_at.map_or(0, |at| at.0);
        if let (Some(store), true) = (&self.store, now.0.saturating_sub(last) > USE_RESOLUTION) {
            let outcome = store.touch_admin_tokens(&[(token.id.clone(), now)]).await;
            if let Err(error) = outcome {
                tracing::warn!(%error, "when an administrator token was last used could not be stored");
            }
        }
    }
}

impl Administrator {
    /// As the maker of a deployment.
    pub(crate) fn as_name(&self) -> Result<Name, ApiError> {
        self.name
            .parse()
            .map_err(|_| ApiError::invalid_admin_token())
    }
}

impl fmt::Debug for Administration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Administration")
            .field("is_open", &self.is_open)
            .finish_non_exhaustive()
    }
}

/// Lets in whoever has a token whose role is `needed` or more.
pub(crate) async fn authorize(
    state: &AppState,
    headers: &HeaderMap,
    needed: AdminRole,
) -> Result<Administrator, ApiError> {
    let administration = &state.administration;
    let administrator = match Authorization::of(headers) {
        Authorization::Absent if administration.is_open && asks_loopback(headers) => {
            Administrator {
                name: "anyone on this machine".to_owned(),
                role: AdminRole::Deployer,
            }
        }
        Authorization::Bearer(token) if token.len() <= MAX_TOKEN_BYTES => {
            let now = UnixMillis(state.clock.unix_millis());
            administration.find(token, now).await?
        }
        _ => return Err(ApiError::invalid_admin_token().challenged()),
    };
    if administrator.role < needed {
        return Err(ApiError::role_too_low(administrator.role, needed));
    }
    Ok(administrator)
}

/// Whether the client believes to talk to this machine: a page in a browser whose name was pointed at a
/// loopback address (DNS rebinding) sends its own name.
fn asks_loopback(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let name = host.map(|host| match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    });
    name.is_some_and(|name| {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use portcullis_store::Options;

    #[tokio::test]
    async fn the_database_is_asked_only_about_what_can_be_a_token() {
        let options = Options::default();
        let store = Store::open("sqlite::memory:", &options).await.unwrap();
        // From now on every question fails otherwise than by 401.
        store.close().await;
        let administration = Administration::default().with_store(store);
        for (token, asked) in [
            (format!("portcullis_admin_{}", "a".repeat(43)), true),
            (format!("portcullis_admin_{}", "a".repeat(42)), false),
            (format!("portcullis_admin_{}", "a".repeat(44)), false),
            (format!("portcullis_admin_{}+", "a".repeat(42)), false),
            ("portcullis_admin_".to_owned(), false),
        ] {
            let found = administration.find(token.as_bytes(), UnixMillis(0)).await;
            let status = found.unwrap_err().into_response().status();
            assert_eq!(status != StatusCode::UNAUTHORIZED, asked, "{token}");
        }
    }

    #[test]
    fn a_name_of_this_machine_is_one() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("127.0.0.1:8080", true),
            ("127.1.2.3", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("example.com", false),
            ("localhost.example.com:8080", false),
            ("127.0.0.1.example.com", false),
            ("10.0.0.1", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            assert_eq!(asks_loopback(&headers), expected, "{host}");
        }
        assert!(!asks_loopback(&HeaderMap::new()));
    }
}
