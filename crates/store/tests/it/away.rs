//! The database is away: writes say so soon, nobody reads a password, and all goes on when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_store::{Options, Store, StoreError};
use portcullis_test_support::postgres::{PASSWORD, Postgres};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::backend::{Backend, PATIENCE, at, deployment, hasty, patient, service};

/// Much longer than the acquire timeout of these tests, and shorter than any other.
const SOON: Duration = Duration::from_secs(20);

/// Every write fails as it should, and soon.
async fn assert_writes_fail(store: &Store) {
    let failing = async {
        let (deploy, create, replace) = tokio::join!(
            store.deploy(deployment("lost")),
            store.create_draft(service("lost"), None, at(1)),
            store.replace_all_drafts(Vec::new(), at(1)),
        );
        for error in [
            deploy.unwrap_err(),
            create.unwrap_err(),
            replace.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            assert_hides_password(&error);
        }
    };
    timeout(SOON, failing)
        .await
        .expect("within the acquire timeout");
}

fn assert_hides_password(error: &StoreError) {
    // `{:?}` of every error also shows its sources.
    let text = format!("{error:?} {error}");
    for secret in ["opensesame", PASSWORD, "hunter2"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_fail_while_postgres_is_stopped_and_work_again_later() {
    let server = Postgres::start();
    let url = server.database();
    let store = Store::open(&url, &hasty()).await.unwrap();
    store.deploy(deployment("before")).await.unwrap();
    for round in 2..=3 {
        server.stop();
        assert_writes_fail(&store).await;
        let error = Store::open(&url, &hasty()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert_hides_password(&error);
        server.resume();
        let made = eventually(&store).await;
        assert_eq!(made, round);
    }
    assert_eq!(store.all_drafts().await.unwrap(), []);
}

/// Deploys as soon as it can; on a busy machine the first attempts may be too hasty.
async fn eventually(store: &Store) -> i64 {
    timeout(PATIENCE, async {
        loop {
            match store.deploy(deployment("after")).await {
                Ok(made) => return made.summary.number,
                Err(StoreError::Unavailable(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    })
    .await
    .expect("it works again")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_fail_while_another_holds_the_file_and_work_again_later() {
    let backend = Backend::sqlite();
    let store = Store::open(&backend.url, &hasty()).await.unwrap();
    store.deploy(deployment("before")).await.unwrap();
    let mut other = backend.raw().await;
    sqlx::query("BEGIN EXCLUSIVE")
        .execute(&mut other)
        .await
        .unwrap();
    assert_writes_fail(&store).await;
    assert_eq!(store.current_number().await.unwrap(), Some(1));
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(eventually(&store).await, 2);
    assert_eq!(store.all_drafts().await.unwrap(), []);
}

/// `SQLite` ends a transaction by itself where the disk is full (<https://www.sqlite.org/lang_transaction.html>, section
/// 3.1). A trigger does the same here, without a disk.
#[tokio::test]
async fn a_transaction_that_sqlite_has_ended_leaves_a_store_that_works() {
    let backend = Backend::sqlite();
    let one_connection = Options {
        max_connections: 1,
        ..patient()
    };
    let store = Store::open(&backend.url, &one_connection).await.unwrap();
    let ending = "CREATE TRIGGER full BEFORE INSERT ON deployments \
                  BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END";
    let mut other = backend.raw().await;
    sqlx::query(ending).execute(&mut other).await.unwrap();
    for _ in 0..3 {
        let error = store.deploy(deployment("lost")).await.unwrap_err();
        assert!(error.to_string().contains("disk is full"), "{error}");
    }
    let free = "DROP TRIGGER full";
    sqlx::query(free).execute(&mut other).await.unwrap();
    let made = store.deploy(deployment("after")).await.unwrap();
    assert_eq!(made.summary.number, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_fail_while_another_holds_the_lock_in_postgres_and_work_again_later() {
    let backend = Backend::postgres();
    let store = Store::open(&backend.url, &hasty()).await.unwrap();
    store.deploy(deployment("before")).await.unwrap();
    let mut other = backend.raw().await;
    sqlx::query("BEGIN").execute(&mut other).await.unwrap();
    sqlx::query("UPDATE counters SET value = value")
        .execute(&mut other)
        .await
        .unwrap();
    assert_writes_fail(&store).await;
    assert_eq!(store.current_number().await.unwrap(), Some(1));
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(eventually(&store).await, 2);
}

#[tokio::test]
async fn a_server_that_never_answers_is_unavailable() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://u:hunter2@{}/d", silent.local_addr().unwrap());
    let options = hasty();
    let opening = Store::open(&url, &options);
    let error = timeout(PATIENCE, opening)
        .await
        .expect("it gives up")
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_hides_password(&error);
}

#[tokio::test]
async fn the_password_of_a_url_is_in_no_error() {
    let good = Postgres::shared().database();
    let wrong_password = good.replace(PASSWORD, "hunter2");
    let error = Store::open(&wrong_password, &Options::default())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(
        error.to_string().contains("password authentication failed"),
        "{error}"
    );
    assert_hides_password(&error);
    let no_database = format!("{good}_none");
    let error = Store::open(&no_database, &Options::default())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_hides_password(&error);
    for url in [
        "postgres://u:hunter2@h:port/d",
        "postgres://u:hunter2@/d?sslmode=hunter2",
        "postgres://u:hunter2@h:1:2/d",
        "postgres://u:hunter2 @[/d",
        "postgres://u:hunter2@h/d?port=hunter2",
        "mysql://u:hunter2@h/d",
        "postgres//u:hunter2@h/d",
        "sqlite:/tmp/x?key=hunter2",
    ] {
        let error = Store::open(url, &hasty()).await.unwrap_err();
        assert!(matches!(error, StoreError::Url(_)), "{url}: {error:?}");
        assert_hides_password(&error);
    }
}

/// Passes on what the store says to the server and back, until the store says `word`: from then on nothing, in
/// either direction, and no connection is closed.
async fn freezing_proxy(port: u16, word: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let frozen = Arc::new(AtomicBool::new(false));
            tokio::spawn(pass_on(from_server, to_client, word, frozen.clone()));
            tokio::spawn(pass_on(from_client, to_server, word, frozen));
        }
    });
    own
}

async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    word: &[u8],
    frozen: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 65536];
    loop {
        let length = from.read(&mut buffer).await.unwrap();
        if buffer[..length]
            .windows(word.len())
            .any(|part| part == word)
        {
            frozen.store(true, Ordering::SeqCst);
        }
        if frozen.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if length == 0 {
            return;
        }
        to.write_all(&buffer[..length]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_in_the_middle_is_unavailable() {
    let backend = Backend::postgres();
    let port: u16 = backend
        .url
        .rsplit([':', '/'])
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let proxy = freezing_proxy(port, b"pg_notify").await;
    let through = backend.url.replace(&port.to_string(), &proxy.to_string());
    let options = Options {
        operation_timeout: Duration::from_secs(3),
        ..hasty()
    };
    let store = Store::open(&through, &options).await.unwrap();
    let deploying = store.deploy(deployment("x"));
    let error = timeout(SOON, deploying)
        .await
        .expect("it gives up")
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    // The server ends the transaction by itself, and the number was not used up.
    let other = backend.open().await;
    assert_eq!(eventually(&other).await, 1);
}
