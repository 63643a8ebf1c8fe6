//! Gateways: the enforcement points that may ask, and the digests of the secrets they ask with.

use serde::Serialize;
use sqlx::AnyConnection;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::error::{StoreError, taken};
use crate::secret::{self, Standing};
use crate::store::{Counter, Store, next, page};
use crate::values::{Id, Name, Sha256, UnixMillis};

/// The most gateways.
pub const MAX_GATEWAYS: u32 = 10_000;
/// The most live credentials of one gateway.
pub const MAX_LIVE_CREDENTIALS: u32 = 5;

const GATEWAY: &str = "SELECT id, name, kind, position, created_at FROM gateways WHERE id = $1";
const GATEWAYS: &str = "SELECT id, name, kind, position, created_at FROM gateways \
                        WHERE position > $1 ORDER BY position LIMIT $2";

/// The columns by name, as of drafts.
macro_rules! found {
    ($where:literal) => {
        concat!(
            "SELECT c.id, c.gateway_id, c.sha256, c.created_at, c.expires_at, c.revoked_at, c.last_used_at, \
             g.name AS gateway_name FROM gateway_credentials c JOIN gateways g ON g.id = c.gateway_id WHERE ",
            $where
        )
    };
}

const BY_DIGEST: &str = found!("c.sha256 = $1");
const OF_GATEWAY: &str = found!("c.gateway_id = $1 ORDER BY c.position DESC LIMIT 1000");
/// Those of the Cloudentity protocol authenticate at the token endpoint and nowhere else.
const ALL_LIVE: &str = found!(
    "NOT EXISTS (SELECT 1 FROM cloudentity_gateways o WHERE o.gateway_id = c.gateway_id) \
     AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > $1) ORDER BY c.position"
);
const REVOKE: &str =
    "UPDATE gateway_credentials SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1";

/// A registered deployment of an enforcement point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gateway {
    /// Unique among gateways.
    pub id: Id,
    /// Unique among gateways.
    pub name: Name,
    /// What it is, in the caller's words.
    pub kind: Name,
    /// When it was registered.
    pub created_at: UnixMillis,
    /// Where it stands in listings, and the cursor to go on from.
    #[serde(skip)]
    pub position: i64,
}

/// A credential of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GatewayCredential {
    /// Unique among credentials.
    pub id: Id,
    /// Whose it is.
    pub gateway_id: Id,
    /// The digest of its secret, unique among credentials.
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
}

/// A credential to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGatewayCredential {
    /// Unique among credentials.
    pub id: Id,
    /// Whose it is.
    pub gateway_id: Id,
    /// The digest of its secret, unique among credentials.
    pub sha256: Sha256,
    /// From when on it is no longer good.
    pub expires_at: Option<UnixMillis>,
}

/// A credential with the name of its gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCredential {
    /// The credential.
    pub credential: GatewayCredential,
    /// The name of its gateway.
    pub gateway_name: Name,
}

impl GatewayCredential {
    /// Whether it is good at `now`.
    #[must_use]
    pub fn standing(&self, now: UnixMillis) -> Standing {
        Standing::at(now, self.expires_at, self.revoked_at)
    }
}

impl Store {
    /// Registers a gateway.
    ///
    /// Fails with [`StoreError::AlreadyExists`] where its id or name is taken, and `TooMany` beyond
    /// [`MAX_GATEWAYS`].
    pub async fn create_gateway(
        &self,
        id: Id,
        name: Name,
        kind: Name,
        now: UnixMillis,
    ) -> Result<Gateway, StoreError> {
        self.within(async {
            let mut transaction = self.begin().await?;
            let position = next(&mut transaction, Counter::Gateway).await?;
            let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM gateways")
                .fetch_one(&mut *transaction)
                .await?;
            if count >= i64::from(MAX_GATEWAYS) {
                return Err(StoreError::TooMany { what: "gateways", limit: MAX_GATEWAYS });
            }
            sqlx::query(
                "INSERT INTO gateways (id, name, kind, position, created_at) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(id.as_str())
            .bind(name.as_str())
            .bind(kind.as_str())
            .bind(position)
            .bind(now.0)
            .execute(&mut *transaction)
            .await
            .map_err(taken("gateway of that id or name"))?;
            transaction.commit().await?;
            Ok(Gateway { id, name, kind, created_at: now, position })
        })
        .await
    }

    /// The gateway of that id.
    pub async fn gateway(&self, id: &Id) -> Result<Option<Gateway>, StoreError> {
        self.within(async {
            let row = sqlx::query(GATEWAY)
                .bind(id.as_str())
                .fetch_optional(self.pool())
                .await?;
            row.map(|row| read_gateway(&row)).transpose()
        })
        .await
    }

    /// A page of gateways in the order they were registered. `after` is the position of the last one of the page
    /// before; `limit` is brought between 1 and [`crate::MAX_PAGE`].
    pub async fn gateways(
        &self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Gateway>, StoreError> {
        self.within(async {
            let rows = sqlx::query(GATEWAYS)
                .bind(after.unwrap_or(0))
                .bind(page(limit))
                .fetch_all(self.pool())
                .await?;
            rows.iter().map(read_gateway).collect()
        })
        .await
    }

    /// Deletes a gateway and its credentials. Fails with [`StoreError::NotFound`].
    pub async fn delete_gateway(&self, id: &Id) -> Result<(), StoreError> {
        self.within(async {
            let mut transaction = self.begin().await?;
            next(&mut transaction, Counter::Gateway).await?;
            delete_gateway(&mut transaction, id).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// Stores a credential.
    ///
    /// Fails with [`StoreError::NotFound`] where there is no such gateway, with `TooMany` where it has
    /// [`MAX_LIVE_CREDENTIALS`] that are live at `now`, and with `AlreadyExists` on the id or the digest.
    pub async fn create_credential(
        &self,
        new: NewGatewayCredential,
        now: UnixMillis,
    ) -> Result<GatewayCredential, StoreError> {
        self.within(async {
            let mut transaction = self.begin().await?;
            let position = next(&mut transaction, Counter::Gateway).await?;
            let (gateways, live): (i64, i64) = sqlx::query_as(
                "SELECT (SELECT COUNT(*) FROM gateways WHERE id = $1), \
                 (SELECT COUNT(*) FROM gateway_credentials WHERE gateway_id = $1 AND revoked_at IS NULL \
                 AND (expires_at IS NULL OR expires_at > $2))",
            )
            .bind(new.gateway_id.as_str())
            .bind(now.0)
            .fetch_one(&mut *transaction)
            .await?;
            if gateways == 0 {
                return Err(StoreError::NotFound { what: "gateway" });
            }
            if live >= i64::from(MAX_LIVE_CREDENTIALS) {
                let what = "live credentials of a gateway";
                return Err(StoreError::TooMany { what, limit: MAX_LIVE_CREDENTIALS });
            }
            sqlx::query(
                "INSERT INTO gateway_credentials (id, gateway_id, sha256, position, created_at, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(new.id.as_str())
            .bind(new.gateway_id.as_str())
            .bind(new.sha256.as_str())
            .bind(position)
            .bind(now.0)
            .bind(new.expires_at.map(|at| at.0))
            .execute(&mut *transaction)
            .await
            .map_err(taken("credential of that id or secret"))?;
            transaction.commit().await?;
            Ok(GatewayCredential {
                id: new.id,
                gateway_id: new.gateway_id,
                sha256: new.sha256,
                created_at: now,
                expires_at: new.expires_at,
                revoked_at: None,
                last_used_at: None,
            })
        })
        .await
    }

    /// The last 1,000 credentials of a gateway, the newest first, also those that are no longer good.
    pub async fn credentials_of(&self, gateway: &Id) -> Result<Vec<GatewayCredential>, StoreError> {
        self.within(async {
            let rows = sqlx::query(OF_GATEWAY)
                .bind(gateway.as_str())
                .fetch_all(self.pool())
                .await?;
            rows.iter().map(read_credential).collect()
        })
        .await
    }

    /// Every credential that is good at `now` but those of Cloudentity gateways, for a cache in memory: at most [`MAX_LIVE_CREDENTIALS`] for each of
    /// at most [`MAX_GATEWAYS`].
    pub async fn credentials(&self, now: UnixMillis) -> Result<Vec<FoundCredential>, StoreError> {
        self.within(async {
            let rows = sqlx::query(ALL_LIVE)
                .bind(now.0)
                .fetch_all(self.pool())
                .await?;
            rows.iter().map(read_found).collect()
        })
        .await
    }

    /// A number that changes whenever a gateway or a credential is made, deleted or taken back: whether
    /// [`Store::credentials`] needs reading again.
    pub async fn credentials_version(&self) -> Result<i64, StoreError> {
        self.within(async {
            let value = sqlx::query_scalar("SELECT value FROM counters WHERE name = $1")
                .bind(Counter::Gateway.name())
                .fetch_one(self.pool())
                .await?;
            Ok(value)
        })
        .await
    }

    /// The credential of that digest, also where it is no longer good: ask its
    /// [`standing`](GatewayCredential::standing).
    pub async fn find_credential(
        &self,
        sha256: &Sha256,
    ) -> Result<Option<FoundCredential>, StoreError> {
        self.within(async {
            let row = sqlx::query(BY_DIGEST)
                .bind(sha256.as_str())
                .fetch_optional(self.pool())
                .await?;
            row.map(|row| read_found(&row)).transpose()
        })
        .await
    }

    /// Takes a credential back. Where that was done before, the first time stays.
    /// Fails with [`StoreError::NotFound`].
    pub async fn revoke_credential(&self, id: &Id, now: UnixMillis) -> Result<(), StoreError> {
        secret::revoke(self, REVOKE, "credential", Counter::Gateway, id, now).await
    }

    /// Stores when credentials were used, at most [`crate::MAX_USES`] at once. Only forward: an earlier time
    /// changes nothing. Unknown ids are passed over.
    pub async fn touch_credentials(&self, uses: &[(Id, UnixMillis)]) -> Result<(), StoreError> {
        secret::touch(self, "gateway_credentials", Counter::GatewayUse, uses).await
    }
}

pub(crate) fn read_gateway(row: &AnyRow) -> Result<Gateway, StoreError> {
    let corrupt = |_| StoreError::Corrupt { what: "gateway" };
    Ok(Gateway {
        id: row
            .try_get::<String, _>("id")?
            .try_into()
            .map_err(corrupt)?,
        name: row
            .try_get::<String, _>("name")?
            .try_into()
            .map_err(corrupt)?,
        kind: row
            .try_get::<String, _>("kind")?
            .try_into()
            .map_err(corrupt)?,
        created_at: UnixMillis(row.try_get("created_at")?),
        position: row.try_get("position")?,
    })
}

fn read_credential(row: &AnyRow) -> Result<GatewayCredential, StoreError> {
    let corrupt = |_| StoreError::Corrupt { what: "credential" };
    Ok(GatewayCredential {
        id: row
            .try_get::<String, _>("id")?
            .try_into()
            .map_err(corrupt)?,
        gateway_id: row
            .try_get::<String, _>("gateway_id")?
            .try_into()
            .map_err(corrupt)?,
        sha256: row
            .try_get::<String, _>("sha256")?
            .try_into()
            .map_err(corrupt)?,
        created_at: UnixMillis(row.try_get("created_at")?),
        expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(UnixMillis),
        revoked_at: row.try_get::<Option<i64>, _>("revoked_at")?.map(UnixMillis),
        last_used_at: row
            .try_get::<Option<i64>, _>("last_used_at")?
            .map(UnixMillis),
    })
}

fn read_found(row: &AnyRow) -> Result<FoundCredential, StoreError> {
    Ok(FoundCredential {
        credential: read_credential(row)?,
        gateway_name: row
            .try_get::<String, _>("gateway_name")?
            .try_into()
            .map_err(|_| StoreError::Corrupt { what: "gateway" })?,
    })
}

/// Deletes a gateway with all that refers to it; `NotFound` where there is none.
pub(crate) async fn delete_gateway(
    connection: &mut AnyConnection,
    id: &Id,
) -> Result<(), StoreError> {
    let deleted = sqlx::query("DELETE FROM gateways WHERE id = $1")
        .bind(id.as_str())
        .execute(connection)
        .await?;
    if deleted.rows_affected() == 0 {
        return Err(StoreError::NotFound { what: "gateway" });
    }
    Ok(())
}
