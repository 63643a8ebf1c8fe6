//! A watch sees deployments of other processes: by notification, by asking, and after the database was away.

use std::time::Duration;

use portcullis_store::{DeploymentWatch, NewRollback, Store, StoreError};
use portcullis_test_support::postgres::Postgres;
use sqlx::postgres::PgListener;
use tokio::time::timeout;

use crate::backend::{Backend, PATIENCE, at, deployment, hasty, name, on_both, patient};

async fn changed(watch: &mut DeploymentWatch) -> i64 {
    timeout(PATIENCE, watch.changed())
        .await
        .expect("the watch sees it")
}

on_both! {
    async fn a_watch_sees_what_another_process_deploys(backend) {
        let stores = [backend.open().await, backend.open().await];
        let mut watch = stores[0].watch(None);
        for expected in 1..=3 {
            let seen = tokio::spawn(async move { (changed(&mut watch).await, watch) });
            stores[1].deploy(deployment("x")).await.unwrap();
            let (number, again) = seen.await.unwrap();
            assert_eq!(number, expected);
            watch = again;
        }
    }

    async fn a_watch_says_at_once_what_its_caller_does_not_know(backend) {
        let store = backend.open().await;
        store.deploy(deployment("x")).await.unwrap();
        store.deploy(deployment("y")).await.unwrap();
        assert_eq!(changed(&mut store.watch(None)).await, 2);
        assert_eq!(changed(&mut store.watch(Some(1))).await, 2);
        // After a database was restored from a backup the number is a lower one.
        assert_eq!(changed(&mut store.watch(Some(9))).await, 2);
    }

    async fn a_watch_is_silent_where_nothing_changes_and_dropping_loses_nothing(backend) {
        let store = backend.open().await;
        store.deploy(deployment("x")).await.unwrap();
        let mut watch = store.watch(Some(1));
        for _ in 0..3 {
            let wait = Duration::from_millis(400);
            assert!(timeout(wait, watch.changed()).await.is_err());
        }
        store.deploy(deployment("y")).await.unwrap();
        assert_eq!(changed(&mut watch).await, 2);
    }

    async fn a_watch_sees_a_deployment_that_nobody_announced(backend) {
        let store = backend.open().await;
        store.deploy(deployment("x")).await.unwrap();
        let mut watch = store.watch(Some(1));
        let watching = tokio::spawn(async move { changed(&mut watch).await });
        if backend.is_postgres() {
            until_listening(&backend).await;
        }
        // Past the question that follows the beginning.
        tokio::time::sleep(Duration::from_millis(300)).await;
        sqlx::query(
            "INSERT INTO deployments (number, sha256, sources, note, created_by, created_at) \
             SELECT 2, sha256, sources, note, created_by, created_at FROM deployments",
        )
        .execute(&mut backend.raw().await)
        .await
        .unwrap();
        assert_eq!(watching.await.unwrap(), 2);
    }
}

#[tokio::test]
async fn postgres_announces_a_deployment_when_it_is_committed() {
    let backend = Backend::postgres();
    let store = backend.open().await;
    let mut listener = PgListener::connect(&backend.url).await.unwrap();
    listener.listen("portcullis_deployment").await.unwrap();
    store.deploy(deployment("x")).await.unwrap();
    let heard = timeout(PATIENCE, listener.recv()).await.unwrap().unwrap();
    assert_eq!(heard.payload(), "1");
    // What fails is not announced: the next that is heard is the one after it.
    let nowhere = NewRollback {
        to: 9,
        note: String::new(),
        created_by: name("ada"),
        created_at: at(1),
    };
    store.rollback(nowhere.clone()).await.unwrap_err();
    store
        .rollback(NewRollback { to: 1, ..nowhere })
        .await
        .unwrap();
    let heard = timeout(PATIENCE, listener.recv()).await.unwrap().unwrap();
    assert_eq!(heard.payload(), "2");
}

async fn until_listening(backend: &Backend) {
    timeout(PATIENCE, async {
        while listening(backend).await != 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it listens");
}

/// How many connections of this database listen for deployments.
async fn listening(backend: &Backend) -> i64 {
    sqlx::query_scalar(
        "SELECT COUNT(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND query = 'LISTEN \"portcullis_deployment\"'",
    )
    .fetch_one(&mut backend.raw().await)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_watch_listens_and_listens_again_after_its_connection_was_cut() {
    let backend = Backend::postgres();
    let store = backend.open().await;
    store.deploy(deployment("x")).await.unwrap();
    let mut watch = store.watch(Some(1));
    let watching = tokio::spawn(async move { changed(&mut watch).await });
    for round in 0..2 {
        until_listening(&backend).await;
        if round == 0 {
            sqlx::query(
                "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .execute(&mut backend.raw().await)
            .await
            .unwrap();
        }
    }
    store.deploy(deployment("y")).await.unwrap();
    assert_eq!(watching.await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_on_after_the_server_was_stopped() {
    let server = Postgres::start();
    let url = server.database();
    let watched = Store::open(&url, &hasty()).await.unwrap();
    let other = Store::open(&url, &patient()).await.unwrap();
    other.deploy(deployment("x")).await.unwrap();
    let mut watch = watched.watch(Some(1));
    let watching = tokio::spawn(async move { changed(&mut watch).await });
    server.stop();
    // Long enough for the watch to find that nobody answers.
    let error = watched.current_number().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    server.resume();
    other.deploy(deployment("y")).await.unwrap();
    assert_eq!(watching.await.unwrap(), 2);
}

#[test]
fn a_watch_may_outlive_its_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let backend = Backend::postgres();
    let watch = runtime.block_on(async {
        let store = backend.open().await;
        let mut watch = store.watch(None);
        tokio::select! {
            _ = watch.changed() => panic!("nothing is deployed"),
            () = until_listening(&backend) => {}
        }
        watch
    });
    drop(runtime);
    drop(watch);
}
