//! Opening: migrations once and by several at once, URLs of every form, and what a newer release left.

use portcullis_store::{Options, Store, StoreError};
use tokio::time::timeout;

use crate::backend::{Backend, PATIENCE, at, on_both, patient, service};

on_both! {
    async fn what_was_stored_is_there_after_the_second_opening(backend) {
        let first = backend.open().await;
        first.create_draft(service("a"), None, at(1)).await.unwrap();
        first.close().await;
        assert!(matches!(first.current_number().await, Err(StoreError::Unavailable(_))));
        let second = backend.open().await;
        assert_eq!(second.all_drafts().await.unwrap().len(), 1);
    }

    async fn several_may_open_an_empty_database_at_once(backend) {
        let opening: Vec<_> = (0..6)
            .map(|_| {
                let url = backend.url.clone();
                tokio::spawn(async move { Store::open(&url, &patient()).await })
            })
            .collect();
        for store in opening {
            let store = store.await.unwrap().unwrap();
            assert_eq!(store.current_number().await.unwrap(), None);
        }
        let versions: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations")
            .fetch_all(&mut backend.raw().await)
            .await
            .unwrap();
        assert_eq!(versions, [1, 2, 3]);
    }

    async fn tables_of_a_newer_release_are_left_alone(backend) {
        backend.open().await.close().await;
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT 99, description, success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1",
        )
        .execute(&mut backend.raw().await)
        .await
        .unwrap();
        let error = Store::open(&backend.url, &patient()).await.unwrap_err();
        assert!(matches!(error, StoreError::Schema(_)), "{error:?}");
        assert!(error.to_string().contains("version 99"), "{error}");
    }
}

/// Six that are all in the middle of it: they are held up where the first table is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_that_meet_in_an_empty_postgres_make_the_tables_once() {
    let backend = Backend::postgres();
    let mut other = backend.raw().await;
    sqlx::query("BEGIN").execute(&mut other).await.unwrap();
    sqlx::query("LOCK TABLE pg_class IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut other)
        .await
        .unwrap();
    let opening: Vec<_> = (0..6)
        .map(|_| {
            let url = backend.url.clone();
            tokio::spawn(async move { Store::open(&url, &patient()).await })
        })
        .collect();
    timeout(PATIENCE, async {
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(waiting)
            .fetch_one(&mut other)
            .await
            .unwrap()
            < 6
        {
            // The statistics of a transaction stand still unless told otherwise.
            sqlx::query("SELECT 1 FROM (SELECT pg_stat_clear_snapshot()) AS cleared")
                .execute(&mut other)
                .await
                .unwrap();
        }
    })
    .await
    .expect("all wait");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    for store in opening {
        store.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_path_is_taken_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    for file in ["a b.db", "100%25.db", "é&=+.db", "it's.db"] {
        let path = directory.path().join(file);
        for url in [
            format!("sqlite:{}", path.display()),
            format!("sqlite://{}", path.display()),
        ] {
            Store::open(&url, &Options::default()).await.unwrap();
        }
        assert!(path.is_file(), "{file}");
    }
}

#[tokio::test]
async fn memory_is_one_database_however_many_ask() {
    let store = Store::open("sqlite::memory:", &patient()).await.unwrap();
    store.create_draft(service("a"), None, at(1)).await.unwrap();
    let reading: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.all_drafts().await })
        })
        .collect();
    for drafts in reading {
        assert_eq!(drafts.await.unwrap().unwrap().len(), 1);
    }
    let other = Store::open("sqlite::memory:", &patient()).await.unwrap();
    assert_eq!(other.all_drafts().await.unwrap(), []);
}

#[tokio::test]
async fn a_url_of_another_form_is_refused() {
    for url in [
        "",
        "sqlite:",
        "sqlite://",
        "sqlite:a.db?mode=ro",
        "sqlite:a.db#x",
        "sqlite::memory:x",
        "mysql://u:p@h/d",
        "postgres:",
        "/var/lib/store.db",
        "POSTGRES://h/d",
        "postgres://u:p@h:99999/d",
        "postgres://u@h/d?sslmode=maybe",
    ] {
        let error = Store::open(url, &Options::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Url(_)), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_directory_that_is_missing_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite:{}",
        directory.path().join("none/store.db").display()
    );
    let error = Store::open(&url, &Options::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn debug_shows_which_database_and_nothing_of_the_url() {
    let store = Backend::postgres().open().await;
    let text = format!("{store:?} {:?}", store.watch(None));
    assert!(text.contains("PostgreSQL"), "{text}");
    for hidden in ["opensesame", "127.0.0.1", "test_"] {
        assert!(!text.contains(hidden), "{text}");
    }
}
