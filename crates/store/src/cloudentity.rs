//! Gateways of the Cloudentity protocol: what they are beside gateways with credentials, the keys that their tokens
//! are signed with, and the assertions that they have used.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::error::{StoreError, taken};
use crate::gateway::{Gateway, MAX_GATEWAYS};
use crate::store::{Counter, Store, next};
use crate::values::{Id, Name, Sha256, UnixMillis};

/// The columns by name, as of drafts.
macro_rules! found {
    ($rest:literal) => {
        concat!(
            "SELECT g.id, g.name, g.kind, g.position, g.created_at, c.description, c.server_id, c.auto_bind, \
             c.default_policy_id, c.jwks, c.version, c.last_active \
             FROM cloudentity_gateways c JOIN gateways g ON g.id = c.gateway_id ",
            $rest
        )
    };
}

const ONE: &str = found!("WHERE g.id = $1");
const ALL: &str = found!("ORDER BY g.position LIMIT 10000");

/// A gateway of the Cloudentity protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudentityGateway {
    /// What every gateway has; its id is also that of its OAuth client.
    pub gateway: Gateway,
    /// What may be changed of it. The name is that of the gateway.
    pub settings: GatewaySettings,
    /// The external authorization server whose tokens its services take.
    pub server_id: Id,
    /// Whether each API group that it discovers becomes a service at once.
    pub auto_bind: bool,
    /// Grows with every change, and never comes back.
    pub version: i64,
    /// When it last fetched its configuration, as far as was reported.
    pub last_active: Option<UnixMillis>,
}

/// What may be changed of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySettings {
    /// Unique among gateways.
    pub name: Name,
    /// What it is for; at most 1,024 octets without NUL.
    pub description: String,
    /// The policy of every API that comes to it; none leaves them open.
    pub default_policy_id: Option<Id>,
    /// The public keys that it may authenticate with (RFC 7517 section 5), as JSON of at most 64 KiB.
    pub jwks: Option<String>,
}

/// A gateway to store, with its first credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCloudentityGateway {
    /// Unique among gateways.
    pub id: Id,
    /// What it is, in the caller's words.
    pub kind: Name,
    /// As of [`CloudentityGateway`].
    pub settings: GatewaySettings,
    /// As of [`CloudentityGateway`].
    pub server_id: Id,
    /// As of [`CloudentityGateway`].
    pub auto_bind: bool,
    /// The id of the credential.
    pub credential_id: Id,
    /// The digest of its secret.
    pub sha256: Sha256,
}

impl Store {
    /// Stores a gateway with its first credential, or nothing.
    ///
    /// Fails with [`StoreError::AlreadyExists`] where an id, the name or the secret is taken, with `TooMany` beyond
    /// [`MAX_GATEWAYS`], and with `TooLarge`.
    pub async fn create_cloudentity_gateway(
        &self,
        new: NewCloudentityGateway,
        now: UnixMillis,
    ) -> Result<CloudentityGateway, StoreError> {
        check(&new.settings)?;
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
            .bind(new.id.as_str())
            .bind(new.settings.name.as_str())
            .bind(new.kind.as_str())
            .bind(position)
            .bind(now.0)
            .execute(&mut *transaction)
            .await
            .map_err(taken("gateway of that id or name"))?;
            sqlx::query(
                "INSERT INTO cloudentity_gateways (gateway_id, description, server_id, auto_bind, \
                 default_policy_id, jwks, version) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(new.id.as_str())
            .bind(new.settings.description.as_str())
            .bind(new.server_id.as_str())
            .bind(i64::from(new.auto_bind))
            .bind(new.settings.default_policy_id.as_ref().map_or("", Id::as_str))
            .bind(new.settings.jwks.as_deref().unwrap_or_default())
            .bind(position)
            .execute(&mut *transaction)
            .await?;
            sqlx::query(
                "INSERT INTO gateway_credentials (id, gateway_id, sha256, position, created_at) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(new.credential_id.as_str())
            .bind(new.id.as_str())
            .bind(new.sha256.as_str())
            .bind(position)
            .bind(now.0)
            .execute(&mut *transaction)
            .await
            .map_err(taken("credential of that id or secret"))?;
            transaction.commit().await?;
            Ok(CloudentityGateway {
                gateway: Gateway {
                    id: new.id,
                    name: new.settings.name.clone(),
                    kind: new.kind,
                    created_at: now,
                    position,
                },
                settings: new.settings,
                server_id: new.server_id,
                auto_bind: new.auto_bind,
                version: position,
                last_active: None,
            })
        })
        .await
    }

    /// The gateway of that id, where it is one of the Cloudentity protocol.
    pub async fn cloudentity_gateway(
        &self,
        id: &Id,
    ) -> Result<Option<CloudentityGateway>, StoreError> {
        self.within(async {
            let row = sqlx::query(ONE)
                .bind(id.as_str())
                .fetch_optional(self.pool())
                .await?;
            row.map(|row| read(&row)).transpose()
        })
        .await
    }

    /// All of them, in the order they were registered: at most [`MAX_GATEWAYS`].
    pub async fn cloudentity_gateways(&self) -> Result<Vec<CloudentityGateway>, StoreError> {
        self.within(async {
            let rows = sqlx::query(ALL).fetch_all(self.pool()).await?;
            rows.iter().map(read).collect()
        })
        .await
    }

    /// Changes a gateway that is still at `expected`.
    ///
    /// Fails with [`StoreError::Conflict`] where it is not, and with `NotFound`, `AlreadyExists` (the name) and
    /// `TooLarge`.
    pub async fn update_cloudentity_gateway(
        &self,
        id: &Id,
        expected: i64,
        settings: &GatewaySettings,
    ) -> Result<CloudentityGateway, StoreError> {
        check(settings)?;
        self.within(async {
            let mut transaction = self.begin().await?;
            let number = next(&mut transaction, Counter::Gateway).await?;
            let version: Option<i64> =
                sqlx::query_scalar("SELECT version FROM cloudentity_gateways WHERE gateway_id = $1")
                    .bind(id.as_str())
                    .fetch_optional(&mut *transaction)
                    .await?;
            match version {
                None => return Err(StoreError::NotFound { what: "gateway" }),
                Some(current) if current != expected => {
                    return Err(StoreError::Conflict { current });
                }
                Some(_) => {}
            }
            sqlx::query("UPDATE gateways SET name = $2 WHERE id = $1")
                .bind(id.as_str())
                .bind(settings.name.as_str())
                .execute(&mut *transaction)
                .await
                .map_err(taken("gateway of that name"))?;
            sqlx::query(
                "UPDATE cloudentity_gateways SET description = $2, default_policy_id = $3, jwks = $4, version = $5 \
                 WHERE gateway_id = $1",
            )
            .bind(id.as_str())
            .bind(settings.description.as_str())
            .bind(settings.default_policy_id.as_ref().map_or("", Id::as_str))
            .bind(settings.jwks.as_deref().unwrap_or_default())
            .bind(number)
            .execute(&mut *transaction)
            .await?;
            let row = sqlx::query(ONE)
                .bind(id.as_str())
                .fetch_one(&mut *transaction)
                .await?;
            let gateway = read(&row)?;
            transaction.commit().await?;
            Ok(gateway)
        })
        .await
    }

    /// Stores when a gateway fetched its configuration, where what is stored is older than `resolution`
    /// milliseconds.
    pub async fn touch_cloudentity_gateway(
        &self,
        id: &Id,
        now: UnixMillis,
        resolution: i64,
    ) -> Result<(), StoreError> {
        self.within(async {
            sqlx::query(
                "UPDATE cloudentity_gateways SET last_active = $2 \
                 WHERE gateway_id = $1 AND (last_active IS NULL OR last_active < $3)",
            )
            .bind(id.as_str())
            .bind(now.0)
            .bind(now.0.saturating_sub(resolution))
            .execute(self.pool())
            .await?;
            Ok(())
        })
        .await
    }

    /// The private key that is sealed with that key, which is `new` where there was none: of several processes that
    /// bring one, one has its way.
    pub async fn signing_key(
        &self,
        sealed_with: &Sha256,
        new: &str,
        now: UnixMillis,
    ) -> Result<String, StoreError> {
        self.within(async {
            let mut transaction = self.begin().await?;
            next(&mut transaction, Counter::Gateway).await?;
            let found: Option<String> =
                sqlx::query_scalar("SELECT sealed FROM signing_keys WHERE sealed_with = $1")
                    .bind(sealed_with.as_str())
                    .fetch_optional(&mut *transaction)
                    .await?;
            if let Some(sealed) = found {
                return Ok(sealed);
            }
            sqlx::query(
                "INSERT INTO signing_keys (sealed_with, sealed, created_at) VALUES ($1, $2, $3)",
            )
            .bind(sealed_with.as_str())
            .bind(new)
            .bind(now.0)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(new.to_owned())
        })
        .await
    }

    /// Takes note of an assertion that must not be accepted again before it expires. `false` where it was noted
    /// before. Those that have expired are forgotten.
    pub async fn note_assertion(
        &self,
        sha256: &Sha256,
        expires_at: UnixMillis,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        self.within(async {
            let mut transaction = self.begin().await?;
            sqlx::query("DELETE FROM assertions WHERE expires_at < $1")
                .bind(now.0)
                .execute(&mut *transaction)
                .await?;
            let inserted = sqlx::query(
                "INSERT INTO assertions (sha256, expires_at) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING",
            )
            .bind(sha256.as_str())
            .bind(expires_at.0)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(inserted.rows_affected() == 1)
        })
        .await
    }
}

fn check(settings: &GatewaySettings) -> Result<(), StoreError> {
    let bounds = [
        (
            "the description of a gateway",
            settings.description.as_str(),
            1024,
        ),
        (
            "the keys of a gateway",
            settings.jwks.as_deref().unwrap_or_default(),
            64 * 1024,
        ),
    ];
    for (what, text, limit) in bounds {
        let actual = text.len();
        if actual > limit {
            return Err(StoreError::TooLarge {
                what,
                limit,
                actual,
            });
        }
        if text.contains('\0') {
            return Err(StoreError::Refused(
                "the description or a key of a gateway holds a NUL character, which PostgreSQL cannot store; remove it",
            ));
        }
    }
    Ok(())
}

fn read(row: &AnyRow) -> Result<CloudentityGateway, StoreError> {
    let corrupt = |_| StoreError::Corrupt { what: "gateway" };
    let gateway = crate::gateway::read_gateway(row)?;
    let policy: String = row.try_get("default_policy_id")?;
    let jwks: String = row.try_get("jwks")?;
    Ok(CloudentityGateway {
        settings: GatewaySettings {
            name: gateway.name.clone(),
            description: row.try_get("description")?,
            default_policy_id: match policy.as_str() {
                "" => None,
                _ => Some(policy.try_into().map_err(corrupt)?),
            },
            jwks: Some(jwks).filter(|jwks| !jwks.is_empty()),
        },
        gateway,
        server_id: row
            .try_get::<String, _>("server_id")?
            .try_into()
            .map_err(corrupt)?,
        auto_bind: row.try_get::<i64, _>("auto_bind")? != 0,
        version: row.try_get("version")?,
        last_active: row
            .try_get::<Option<i64>, _>("last_active")?
            .map(UnixMillis),
    })
}
