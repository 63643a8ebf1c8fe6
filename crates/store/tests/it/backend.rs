//! The two databases, each empty for every test, and values that tests are made of.

use std::time::Duration;

use portcullis_store::{
    DraftKind, Id, Name, NewDeployment, NewDraft, Options, Sha256, Source, Store, UnixMillis,
};
use portcullis_test_support::postgres::Postgres;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An empty database.
pub(crate) struct Backend {
    pub(crate) url: String,
    _directory: Option<TempDir>,
}

impl Backend {
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite:{}", directory.path().join("store.db").display()),
            _directory: Some(directory),
        }
    }

    pub(crate) fn postgres() -> Self {
        Self {
            url: Postgres::shared().database(),
            _directory: None,
        }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url, &patient()).await.unwrap()
    }

    /// A connection that knows nothing of the store.
    pub(crate) async fn raw(&self) -> sqlx::AnyConnection {
        sqlx::any::install_default_drivers();
        <sqlx::AnyConnection as sqlx::Connection>::connect(&self.url)
            .await
            .unwrap()
    }
}

/// Waits long: for tests in which the database is there, on a machine that is busy.
pub(crate) fn patient() -> Options {
    Options {
        acquire_timeout: PATIENCE,
        operation_timeout: PATIENCE,
        ..Options::default()
    }
}

/// Gives up soon: for tests in which the database is away.
pub(crate) fn hasty() -> Options {
    Options {
        acquire_timeout: Duration::from_millis(1500),
        operation_timeout: Duration::from_mins(1),
        ..Options::default()
    }
}

/// Runs each body once on SQLite and once on PostgreSQL.
macro_rules! on_both {
    ($($(#[$attribute:meta])* async fn $name:ident($backend:ident) $body:block)+) => {
        $(
            $(#[$attribute])*
            mod $name {
                use super::*;

                async fn body($backend: crate::backend::Backend) $body

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_sqlite() {
                    body(crate::backend::Backend::sqlite()).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_postgres() {
                    body(crate::backend::Backend::postgres()).await;
                }
            }
        )+
    };
}
pub(crate) use on_both;

pub(crate) fn id(text: &str) -> Id {
    text.parse().unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A digest that is this number.
pub(crate) fn digest(number: usize) -> Sha256 {
    format!("{number:064x}").parse().unwrap()
}

pub(crate) const fn at(millis: i64) -> UnixMillis {
    UnixMillis(millis)
}

pub(crate) fn draft(kind: DraftKind, parent: Option<&str>, called: &str, body: Value) -> NewDraft {
    NewDraft {
        id: id(&format!("{}.{}", parent.unwrap_or("top"), called)),
        kind,
        parent: parent.map(id),
        name: name(called),
        body,
    }
}

pub(crate) fn service(called: &str) -> NewDraft {
    draft(
        DraftKind::ApiService,
        None,
        called,
        json!({ "called": called }),
    )
}

/// A deployment whose parts all show the same mark.
pub(crate) fn deployment(mark: &str) -> NewDeployment {
    NewDeployment {
        sha256: digest(mark.len()),
        sources: vec![
            Source {
                path: "services/a.yaml".to_owned(),
                text: format!("mark: {mark}\n"),
            },
            Source {
                path: "b.yaml".to_owned(),
                text: mark.repeat(3),
            },
        ],
        note: mark.to_owned(),
        created_by: name("ada"),
        created_at: at(7),
        after: None,
    }
}
