//! The variables of Cloudentity's authorizer, by their own names: those of what is done beside deciding.

use std::path::PathBuf;

use portcullis_enforcement::{Environment, InvalidSetting, go_flag};
use portcullis_pdp::cloudentity::ConfigurationCopy;

use super::analytics::AnalyticsSettings;
use super::discovery::DiscoverySettings;

/// Where the last good configuration is kept: the one directory that a function may write to.
const COPY: &str = "/tmp/portcullis-configuration.json";

/// What is done beside deciding.
#[derive(Debug)]
pub struct CloudentityExtras {
    /// How decisions are told; `None` where they are not.
    pub analytics: Option<AnalyticsSettings>,
    /// How the APIs of the account are found; `None` where they are not.
    pub discovery: Option<DiscoverySettings>,
    /// Where the last good configuration is kept.
    pub copy: ConfigurationCopy,
}

impl CloudentityExtras {
    /// Reads them.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, InvalidSetting> {
        let flag = |name: &str, default: bool| go_flag(environment, name, default);
        let raw_tokens = flag("PORTCULLIS_ANALYTICS_RAW_TOKENS", false)?;
        let analytics = flag("ANALYTICS_ENABLED", true)?;
        Ok(Self {
            analytics: analytics.then_some(AnalyticsSettings { raw_tokens }),
            discovery: if flag("PORTCULLIS_DISCOVERY", false)? {
                Some(DiscoverySettings::from_environment(environment)?)
            } else {
                None
            },
            copy: ConfigurationCopy::at(PathBuf::from(
                environment
                    .value("PORTCULLIS_CONFIGURATION_COPY")
                    .unwrap_or(COPY),
            )),
        })
    }
}
