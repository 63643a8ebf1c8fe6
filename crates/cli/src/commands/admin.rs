//! `portcullis admin token`: who may administer a decision service that has a database.

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use portcullis_server::{Secret, SecretKind};
use portcullis_store::{AdminRole, AdminToken, NewAdminToken, Standing, UnixMillis};
use serde_json::json;
use uuid::Uuid;

use super::database::{Database, now, with_store};
use super::{Outcome, complain, print};

/// Most milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1000;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Work with the tokens of administrators.
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it. It is shown this once.
    #[command(after_help = "Examples:\n  \
        portcullis admin token create --name carol --role deployer --database-url sqlite:portcullis.db\n  \
        portcullis admin token create --name dashboard --role viewer --days 90")]
    Create(CreateArguments),
    /// List the tokens, without the tokens themselves.
    List(ListArguments),
    /// Take a token back, from now on.
    Revoke(RevokeArguments),
}

#[derive(Args)]
pub(crate) struct CreateArguments {
    /// Whose it is or what for; it is the maker of the deployments that are made with it.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What it lets its holder do: a viewer reads, an editor also changes drafts, a deployer also deploys and
    /// manages gateways.
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// After how many days it is no longer good, 1 to 3650; without it, it stays good until it is revoked.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: Option<u16>,
    #[command(flatten)]
    database: Database,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    database: Database,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct RevokeArguments {
    /// Its id, as `portcullis admin token list` shows it.
    id: String,
    #[command(flatten)]
    database: Database,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    Viewer,
    Editor,
    Deployer,
}

impl From<Role> for AdminRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Editor => Self::Editor,
            Role::Deployer => Self::Deployer,
        }
    }
}

pub(crate) fn run(command: &Command) -> Result<Outcome> {
    let Command::Token(command) = command;
    match command {
        TokenCommand::Create(arguments) => create(arguments),
        TokenCommand::List(arguments) => list(arguments),
        TokenCommand::Revoke(arguments) => revoke(arguments),
    }
}

fn create(arguments: &CreateArguments) -> Result<Outcome> {
    let secret =
        Secret::random(SecretKind::AdminToken).context("the system gives no random bytes")?;
    let now = now()?;
    let new = NewAdminToken {
        id: Uuid::new_v4().to_string().parse()?,
        name: arguments.name.parse()?,
        role: arguments.role.into(),
        sha256: secret.sha256(),
        expires_at: arguments
            .days
            .map(|days| UnixMillis(now.0 + i64::from(days) * DAY)),
    };
    let made = with_store(&arguments.database, async |store| {
        Ok(store.create_admin_token(new, now).await?)
    })?;
    if arguments.json {
        print(&json!({ "id": made.id, "name": made.name, "role": made.role, "expires_at": made.expires_at, "token": secret.expose() }).to_string())?;
    } else {
        complain(&format!(
            "token {} of {} with the role {}; it is shown this once:",
            made.id,
            made.name,
            made.role.as_str()
        ));
        print(secret.expose())?;
    }
    Ok(Outcome::Yes)
}

fn list(arguments: &ListArguments) -> Result<Outcome> {
    let found = with_store(&arguments.database, async |store| {
        let mut found: Vec<AdminToken> = Vec::new();
        loop {
            let after = found.last().map(|token| token.position);
            let page = store.admin_tokens(after, u32::MAX).await?;
            if page.is_empty() {
                return Ok(found);
            }
            found.extend(page);
        }
    })?;
    let now = now()?;
    if arguments.json {
        print(&json!(found).to_string())?;
    } else if found.is_empty() {
        print("There is no token yet; make one with `portcullis admin token create`.")?;
    } else {
        for token in &found {
            let standing = match token.standing(now) {
                Standing::Live => "good",
                Standing::Expired => "expired",
                Standing::Revoked => "revoked",
            };
            let used = if token.last_used_at.is_some() {
                "used"
            } else {
                "never used"
            };
            print(&format!(
                "{}  {:8}  {standing:7}  {used:10}  {}",
                token.id,
                token.role.as_str(),
                token.name
            ))?;
        }
    }
    Ok(Outcome::Yes)
}

fn revoke(arguments: &RevokeArguments) -> Result<Outcome> {
    let id = arguments.id.parse()?;
    let now = now()?;
    with_store(&arguments.database, async |store| {
        Ok(store.revoke_admin_token(&id, now).await?)
    })?;
    print(&format!("revoked {}", arguments.id))?;
    Ok(Outcome::Yes)
}
