//! The tokens of administrators: who may do what with the decision service, by the digest of a secret.

use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::error::{StoreError, taken};
use crate::secret::{self, Standing};
use crate::store::{Counter, Store, next, page};
use crate::values::{Id, Name, Sha256, UnixMillis};

/// The most tokens that are live at once.
pub const MAX_ADMIN_TOKENS: u32 = 1000;

/// The columns by name, as of drafts.
macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT id, name, role, sha256, position, created_at, expires_at, revoked_at, last_used_at \
             FROM admin_tokens WHERE ",
            $where
        )
    };
}

const BY_DIGEST: &str = select!("sha256 = $1");
const PAGE: &str = select!("position > $1 ORDER BY position LIMIT $2");
const LIVE: &str = "SELECT COUNT(*) FROM admin_tokens \
                    WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)";
const REVOKE: &str = "UPDATE admin_tokens SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1";

/// What an administrator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdminRole {
    /// Read.
    Viewer,
    /// Also change drafts.
    Editor,
    /// Also deploy.
    Deployer,
}

impl AdminRole {
    /// Every role, from the one that may do the least.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Deployer];

    /// The name in the database and in JSON, which never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Deployer => "deployer",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// A token of an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdminToken {
    /// Unique among tokens.
    pub id: Id,
    /// What people call it; several may have the same name.
    pub name: Name,
    /// What it lets its holder do.
    pub role: AdminRole,
    /// The digest of its secret, unique among tokens.
    #[serde(skip)]
    pub sha256: Sha256,
    /// When it was made.
    pub created_at: UnixMillis,
    /// From when on it is no longer good.
    pub expires_at: Option<UnixMillis>,
    /// When it was taken back.
    pub revoked_at: Option<UnixMillis>,
    /// When it was last used, as far as was reported.
    pub last_used_at: Option<UnixMillis>,
    /// Where it stands in listings, and the cursor to go on from.
    #[serde(skip)]
    pub position: i64,
}

/// A token to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAdminToken {
    /// Unique among tokens.
    pub id: Id,
    /// What people call it.
    pub name: Name,
    /// What it lets its holder do.
    pub role: AdminRole,
    /// The digest of its secret, unique among tokens.
    pub sha256: Sha256,
    /// From when on it is no longer good.
    pub expires_at: Option<UnixMillis>,
}

impl AdminToken {
    /// Whether it is good at `now`.
    #[must_use]
    pub fn standing(&self, now: UnixMillis) -> Standing {
        Standing::at(now, self.expires_at, self.revoked_at)
    }
}

impl Store {
    /// Stores a token.
    ///
    /// Fails with [`StoreError::AlreadyExists`] on the id or the digest, and with `TooMany` where
    /// [`MAX_ADMIN_TOKENS`] are live at `now`.
    pub async fn create_admin_token(
        &self,
        new: NewAdminToken,
        now: UnixMillis,
    ) -> Result<AdminToken, StoreError> {
        self.within(async {
            let mut transaction = self.begin().await?;
            let position = next(&mut transaction, Counter::AdminToken).await?;
            let live: i64 = sqlx::query_scalar(LIVE)
            .bind(now.0)
            .fetch_one(&mut *transaction)
            .await?;
            if live >= i64::from(MAX_ADMIN_TOKENS) {
                let what = "live tokens of administrators";
                return Err(StoreError::TooMany { what, limit: MAX_ADMIN_TOKENS });
            }
            sqlx::query(
                "INSERT INTO admin_tokens (id, name, role, sha256, position, created_at, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(new.id.as_str())
            .bind(new.name.as_str())
            .bind(new.role.as_str())
            .bind(new.sha256.as_str())
            .bind(position)
            .bind(now.0)
            .bind(new.expires_at.map(|at| at.0))
            .execute(&mut *transaction)
            .await
            .map_err(taken("token of that id or secret"))?;
            transaction.commit().await?;
            Ok(AdminToken {
                id: new.id,
                name: new.name,
                role: new.role,
                sha256: new.sha256,
                created_at: now,
                expires_at: new.expires_at,
                revoked_at: None,
                last_used_at: None,
                position,
            })
        })
        .await
    }

    /// A page of tokens in the order they were made, also those that are no longer good. `after` is the position of
    /// the last one of the page before; `limit` is brought between 1 and [`crate::MAX_PAGE`].
    pub async fn admin_tokens(
        &self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AdminToken>, StoreError> {
        self.within(async {
            let rows = sqlx::query(PAGE)
                .bind(after.unwrap_or(0))
                .bind(page(limit))
                .fetch_all(self.pool())
                .await?;
            rows.iter().map(read).collect()
        })
        .await
    }

    /// Whether any token is good at `now`.
    pub async fn has_admin_token(&self, now: UnixMillis) -> Result<bool, StoreError> {
        self.within(async {
            let live: i64 = sqlx::query_scalar(LIVE)
                .bind(now.0)
                .fetch_one(self.pool())
                .await?;
            Ok(live > 0)
        })
        .await
    }

    /// The token of that digest, also where it is no longer good: ask its [`standing`](AdminToken::standing).
    pub async fn find_admin_token(
        &self,
        sha256: &Sha256,
    ) -> Result<Option<AdminToken>, StoreError> {
        self.within(async {
            let row = sqlx::query(BY_DIGEST)
                .bind(sha256.as_str())
                .fetch_optional(self.pool())
                .await?;
            row.map(|row| read(&row)).transpose()
        })
        .await
    }

    /// Takes a token back. Where that was done before, the first time stays.
    /// Fails with [`StoreError::NotFound`].
    pub async fn revoke_admin_token(&self, id: &Id, now: UnixMillis) -> Result<(), StoreError> {
        let what = "token of an administrator";
        secret::revoke(self, REVOKE, what, Counter::AdminToken, id, now).await
    }

    /// Stores when tokens were used, as [`Store::touch_credentials`] does.
    pub async fn touch_admin_tokens(&self, uses: &[(Id, UnixMillis)]) -> Result<(), StoreError> {
        secret::touch(self, "admin_tokens", Counter::AdminTokenUse, uses).await
    }
}

fn read(row: &AnyRow) -> Result<AdminToken, StoreError> {
    let corrupt = || StoreError::Corrupt {
        what: "token of an administrator",
    };
    let role: String = row.try_get("role")?;
    Ok(AdminToken {
        id: row
            .try_get::<String, _>("id")?
            .try_into()
            .map_err(|_| corrupt())?,
        name: row
            .try_get::<String, _>("name")?
            .try_into()
            .map_err(|_| corrupt())?,
        role: AdminRole::from_name(&role).ok_or_else(corrupt)?,
        sha256: row
            .try_get::<String, _>("sha256")?
            .try_into()
            .map_err(|_| corrupt())?,
        created_at: UnixMillis(row.try_get("created_at")?),
        expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(UnixMillis),
        revoked_at: row.try_get::<Option<i64>, _>("revoked_at")?.map(UnixMillis),
        last_used_at: row
            .try_get::<Option<i64>, _>("last_used_at")?
            .map(UnixMillis),
        position: row.try_get("position")?,
    })
}
