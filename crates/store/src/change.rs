//! Changes of several things at once: drafts, the binding of API groups, and the deployment that follows from them.
//!
//! Who changes them reads all of it as it is at one moment ([`Workspace`]), works out what it is to be, and hands in
//! the difference ([`Change`]), which happens in full, or not at all where anything has changed meanwhile.

use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::deployment::{Deployment, NewDeployment, check_deployment, read_current};
use crate::draft::{
    Draft, DraftChange, MAX_DRAFTS, NewDraft, ROWS_AT_ONCE, insert, json, read_all, remove,
};
use crate::error::{StoreError, taken};
use crate::gateway::delete_gateway;
use crate::store::{Counter, Store, next, next_many};
use crate::values::{Id, Name, UnixMillis};

/// The most API groups of one gateway.
pub const MAX_API_GROUPS: u32 = 1000;

/// An API group that a gateway has discovered.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiGroup {
    /// Who discovered it.
    pub gateway_id: Id,
    /// Unique among the groups of the gateway, in the gateway's words.
    pub id: Name,
    /// What people call it.
    pub name: Name,
    /// What was discovered.
    pub body: Value,
    /// The API service that stands for it.
    pub service_id: Option<Id>,
}

/// Everything as it is at one moment.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Every draft, by position.
    pub drafts: Vec<Draft>,
    /// Every API group of every gateway.
    pub groups: Vec<ApiGroup>,
    /// The current deployment.
    pub deployment: Option<Deployment>,
    moment: Moment,
}

/// A moment of drafts, API groups and deployments: as long as it is the same, so are they.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    drafts: i64,
    groups: i64,
    deployments: i64,
}

impl Workspace {
    /// The moment that it is of.
    #[must_use]
    pub const fn moment(&self) -> Moment {
        self.moment
    }
}

/// What is to be different. Deletions come first, so an id may be deleted and made anew.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Drafts to delete, with what is under them.
    pub delete: Vec<Id>,
    /// Drafts to make, parents first.
    pub create: Vec<NewDraft>,
    /// Drafts to change.
    pub update: Vec<(Id, DraftChange)>,
    /// API groups to forget.
    pub forget: Vec<(Id, Name)>,
    /// API groups to store, in the place of those of the same id.
    pub groups: Vec<ApiGroup>,
    /// The deployment that follows; its `after` is the current one of the workspace.
    pub deployment: Option<NewDeployment>,
    /// A gateway to delete, last of all, with its credentials and API groups.
    pub delete_gateway: Option<Id>,
}

impl Change {
    /// Whether nothing is to be different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.delete.is_empty()
            && self.create.is_empty()
            && self.update.is_empty()
            && self.forget.is_empty()
            && self.groups.is_empty()
            && self.deployment.is_none()
            && self.delete_gateway.is_none()
    }
}

impl Store {
    /// Reads everything as it is at one moment. Fails as [`Store::all_drafts`] does.
    pub async fn workspace(&self) -> Result<Workspace, StoreError> {
        self.within(async {
            let mut transaction = self.begin_read().await?;
            let moment = moment(&mut transaction).await?;
            let drafts = read_all(&mut transaction).await?;
            let rows = sqlx::query(
                "SELECT gateway_id, id, name, body, service_id FROM api_groups ORDER BY gateway_id, id",
            )
            .fetch_all(&mut *transaction)
            .await?;
            let groups = rows.iter().map(read).collect::<Result<_, _>>()?;
            let deployment = read_current(&mut transaction).await?;
            transaction.commit().await?;
            Ok(Workspace { drafts, groups, deployment, moment })
        })
        .await
    }

    /// The moment that it is now.
    pub async fn moment(&self) -> Result<Moment, StoreError> {
        self.within(async {
            let mut connection = self.pool().acquire().await?;
            moment(&mut connection).await
        })
        .await
    }

    /// Makes the change to a workspace as it was read.
    ///
    /// Fails with [`StoreError::Conflict`] where a draft, a group or the deployment has changed since: read it
    /// again and work it out anew. Fails with `AlreadyExists`, `TooMany` and `TooLarge` on names and bounds, and with
    /// `NotFound` where a gateway is gone.
    pub async fn apply(
        &self,
        workspace: &Workspace,
        change: &Change,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let created = bodies(change.create.iter().map(|one| &one.body))?;
        let updated = bodies(change.update.iter().map(|(_, one)| &one.body))?;
        let groups = bodies(change.groups.iter().map(|one| &one.body))?;
        let deployment = match &change.deployment {
            Some(new) => Some((new, check_deployment(new)?)),
            None => None,
        };
        let count = i64::try_from(change.create.len() + change.update.len()).unwrap_or(i64::MAX);
        self.within(async {
            let mut transaction = self.begin().await?;
            // Always in this order, so that no two wait for each other.
            let last = next_many(&mut transaction, Counter::Draft, count.max(1)).await?;
            let current = last - count.max(1);
            if current != workspace.moment.drafts {
                return Err(StoreError::Conflict { current });
            }
            let current = next(&mut transaction, Counter::ApiGroup).await? - 1;
            if current != workspace.moment.groups {
                return Err(StoreError::Conflict { current });
            }
            for id in &change.delete {
                remove(&mut transaction, id).await?;
            }
            let mut numbers = current_numbers(last, count);
            for ((id, one), body) in change.update.iter().zip(updated) {
                let number = numbers.next().unwrap_or(last);
                sqlx::query(
                    "UPDATE drafts SET name = $2, body = $3, version = $4, updated_at = $5 WHERE id = $1",
                )
                .bind(id.as_str())
                .bind(one.name.as_str())
                .bind(body)
                .bind(number)
                .bind(now.0)
                .execute(&mut *transaction)
                .await
                .map_err(taken("draft of that name"))?;
            }
            let drafts: Vec<_> = change
                .create
                .iter()
                .zip(&mut numbers)
                .map(|(new, number)| made(new, number, now))
                .collect();
            let rows: Vec<_> = drafts.iter().zip(created).collect();
            for chunk in rows.chunks(ROWS_AT_ONCE) {
                insert(&mut transaction, chunk).await?;
            }
            check_count(&mut transaction).await?;
            store_groups(&mut transaction, change, groups).await?;
            if let Some((new, sources)) = deployment {
                self.insert_deployment(&mut transaction, new, sources).await?;
            }
            if let Some(gateway) = &change.delete_gateway {
                next(&mut transaction, Counter::Gateway).await?;
                delete_gateway(&mut transaction, gateway).await?;
            }
            transaction.commit().await?;
            Ok(())
        })
        .await
    }
}

/// The numbers that were taken, the first one first.
fn current_numbers(last: i64, count: i64) -> impl Iterator<Item = i64> {
    (last - count + 1)..=last
}

fn made(new: &NewDraft, number: i64, now: UnixMillis) -> Draft {
    Draft {
        id: new.id.clone(),
        kind: new.kind,
        parent: new.parent.clone(),
        name: new.name.clone(),
        body: new.body.clone(),
        version: number,
        position: number,
        created_at: now,
        updated_at: now,
    }
}

async fn check_count(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM drafts")
        .fetch_one(connection)
        .await?;
    if count > i64::from(MAX_DRAFTS) {
        return Err(StoreError::TooMany {
            what: "drafts",
            limit: MAX_DRAFTS,
        });
    }
    Ok(())
}

async fn store_groups(
    connection: &mut AnyConnection,
    change: &Change,
    bodies: Vec<String>,
) -> Result<(), StoreError> {
    for (gateway, id) in &change.forget {
        sqlx::query("DELETE FROM api_groups WHERE gateway_id = $1 AND id = $2")
            .bind(gateway.as_str())
            .bind(id.as_str())
            .execute(&mut *connection)
            .await?;
    }
    for (group, body) in change.groups.iter().zip(bodies) {
        // The gateway may be gone since; what refers to it would be refused with an error of the database.
        let known: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM cloudentity_gateways WHERE gateway_id = $1")
                .bind(group.gateway_id.as_str())
                .fetch_one(&mut *connection)
                .await?;
        if known == 0 {
            return Err(StoreError::NotFound { what: "gateway" });
        }
        sqlx::query(
            "INSERT INTO api_groups (gateway_id, id, name, body, service_id) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (gateway_id, id) DO UPDATE SET name = $3, body = $4, service_id = $5",
        )
        .bind(group.gateway_id.as_str())
        .bind(group.id.as_str())
        .bind(group.name.as_str())
        .bind(body)
        .bind(group.service_id.as_ref().map_or("", Id::as_str))
        .execute(&mut *connection)
        .await?;
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM api_groups WHERE gateway_id = $1")
                .bind(group.gateway_id.as_str())
                .fetch_one(&mut *connection)
                .await?;
        if count > i64::from(MAX_API_GROUPS) {
            return Err(StoreError::TooMany {
                what: "API groups of a gateway",
                limit: MAX_API_GROUPS,
            });
        }
    }
    Ok(())
}

/// One statement, so that all of it is of one moment.
async fn moment(connection: &mut AnyConnection) -> Result<Moment, StoreError> {
    let (drafts, groups, deployments): (i64, i64, i64) = sqlx::query_as(
        "SELECT d.value, g.value, n.value FROM counters d, counters g, counters n \
         WHERE d.name = $1 AND g.name = $2 AND n.name = $3",
    )
    .bind(Counter::Draft.name())
    .bind(Counter::ApiGroup.name())
    .bind(Counter::Deployment.name())
    .fetch_one(connection)
    .await?;
    Ok(Moment {
        drafts,
        groups,
        deployments,
    })
}

fn bodies<'a>(values: impl Iterator<Item = &'a Value>) -> Result<Vec<String>, StoreError> {
    values.map(json).collect()
}

fn read(row: &AnyRow) -> Result<ApiGroup, StoreError> {
    let corrupt = || StoreError::Corrupt { what: "API group" };
    let text = |name: &str| row.try_get::<String, _>(name);
    let service: String = text("service_id")?;
    Ok(ApiGroup {
        gateway_id: text("gateway_id")?.try_into().map_err(|_| corrupt())?,
        id: text("id")?.try_into().map_err(|_| corrupt())?,
        name: text("name")?.try_into().map_err(|_| corrupt())?,
        body: serde_json::from_str(&text("body")?).map_err(|_| corrupt())?,
        service_id: match service.as_str() {
            "" => None,
            _ => Some(service.try_into().map_err(|_| corrupt())?),
        },
    })
}
