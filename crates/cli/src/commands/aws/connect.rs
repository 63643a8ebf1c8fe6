//! Arguments that say which account is meant, and reading it.

use anyhow::Result;
use clap::Args;
use portcullis_discovery::{Account, Connection, SdkApis, Selection, read_account};

use super::progress::ProgressLine;

#[derive(Args)]
#[command(next_help_heading = "AWS")]
pub(super) struct ConnectArguments {
    /// The region. Credentials and everything else come from where the AWS CLI takes them.
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The profile of the AWS configuration.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

impl ConnectArguments {
    pub(super) async fn connect(&self) -> Result<SdkApis> {
        let connection = Connection {
            region: self.region.clone(),
            profile: self.profile.clone(),
        };
        Ok(SdkApis::connect(connection).await?)
    }
}

/// Reads what is selected, and tells how far it is.
pub(super) async fn read(apis: &SdkApis, selection: &Selection) -> Result<Account> {
    let mut line = ProgressLine::new();
    let account = read_account(apis, selection, |progress| line.read(progress)).await;
    line.clear();
    Ok(account?)
}
