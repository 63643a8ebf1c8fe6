//! The database that commands work on.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use portcullis_store::{Options, Store, UnixMillis};

/// Which database.
#[derive(clap::Args)]
pub(crate) struct Database {
    /// The database: `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`.
    #[arg(
        long,
        value_name = "URL",
        env = "PORTCULLIS_DATABASE_URL",
        hide_env_values = true
    )]
    database_url: String,
}

/// The time of this command.
pub(crate) fn now() -> Result<UnixMillis> {
    #[expect(
        clippy::disallowed_methods,
        reason = "when something was made is the time of this command"
    )]
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(UnixMillis(i64::try_from(since.as_millis())?))
}

/// Opens the database of that URL. The store takes one in memory, too, for tests: it holds no data that another command
/// could reach, and does not get over a transaction that `SQLite` has ended.
pub(crate) async fn open(url: &str) -> Result<Store> {
    if url == "sqlite::memory:" {
        bail!(
            "a database in memory ends with the command, and no other command reaches it; expected sqlite:PATH or \
             postgres://USER:PASSWORD@HOST/NAME"
        );
    }
    Ok(Store::open(url, &Options::default()).await?)
}

/// Opens the database, works on it, and closes it.
pub(crate) fn with_store<T>(
    database: &Database,
    work: impl AsyncFnOnce(&Store) -> Result<T>,
) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let store = open(&database.database_url).await?;
        let done = work(&store).await;
        store.close().await;
        done
    })
}
