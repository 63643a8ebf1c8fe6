//! The variables of Cloudentity's authorizer, by their own names: those of deciding.

use std::sync::Arc;
use std::time::Duration;

use portcullis_pdp::cloudentity::{
    CloudentityOptions, CloudentityPoint, ConfigurationCopy, ControlPlane, ControlPlaneSettings,
    SystemIssuer,
};
use portcullis_pdp::keys::Fetch;
use portcullis_pdp::sideband::GatewayCredential;

use crate::decider::Platform;
use crate::environment::Environment;
use crate::invalid_setting::InvalidSetting;
use crate::languages::Languages;

/// The shortest and the longest `ACP_RELOAD_INTERVAL`.
const RELOAD_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));
/// The longest `PORTCULLIS_CONFIGURATION_MAX_AGE`, and what it is where it is not set.
const LONGEST_MAX_AGE: Duration = Duration::from_hours(7 * 24);
const DEFAULT_MAX_AGE: Duration = Duration::from_hours(1);
/// How long one call to the control plane may take.
const CALL_TIME: Duration = Duration::from_secs(5);

/// A control plane and how its configuration is used.
#[derive(Debug)]
pub struct CloudentitySource {
    /// The control plane.
    pub control_plane: ControlPlaneSettings,
    /// How old a configuration may be before another one is asked for.
    pub reload_interval: Duration,
    /// How old it may be while the control plane is away.
    pub max_age: Duration,
    /// Whether requests are let through that are for no API of a bound service.
    pub allow_unknown: bool,
    /// Whether the backend is told the authentication context.
    pub inject_context: bool,
    /// The languages, beside validators, that its policies may be written in.
    pub languages: Languages,
}

/// The control plane of those settings, and a decision point that has asked for nothing yet. `copy` is where the last
/// good configuration is kept between starts.
#[must_use]
pub fn cloudentity_point(
    source: CloudentitySource,
    copy: Option<ConfigurationCopy>,
    platform: &Platform,
) -> (Arc<ControlPlane>, CloudentityPoint) {
    let CloudentitySource {
        control_plane,
        reload_interval,
        max_age,
        allow_unknown,
        inject_context,
        languages,
    } = source;
    let Platform { http, clock, .. } = platform;
    let gateway = format!("{:?} {}", control_plane.issuer, control_plane.client_id);
    let control_plane = ControlPlane::new(control_plane, Arc::clone(http), Arc::clone(clock));
    let control_plane = Arc::new(control_plane);
    let options = CloudentityOptions {
        reload_interval,
        max_age,
        allow_unknown,
        inject_context,
        copy,
        languages: languages.0,
    };
    let point = CloudentityPoint::new(
        Arc::clone(&control_plane),
        Arc::clone(http) as Arc<dyn Fetch>,
        Arc::clone(clock),
        gateway,
        options,
    );
    (control_plane, point)
}

/// Reads them.
pub(crate) fn source(
    environment: &Environment,
    languages: Languages,
) -> Result<CloudentitySource, InvalidSetting> {
    let required = |name: &str, expected: &str| {
        environment
            .value(name)
            .ok_or_else(|| InvalidSetting::missing(name, expected))
    };
    let flag = |name: &str, default: bool| go_flag(environment, name, default);
    let name = "ACP_ISSUER_URL";
    let url = required(name, "the issuer URL of the System workspace")?;
    let tenant_id = environment.value("ACP_TENANT_ID").map(str::to_owned);
    let issuer = SystemIssuer::parse(url, tenant_id.is_some())
        .map_err(|error| InvalidSetting::new(name, url, &error.to_string()))?;
    let client_id = required("ACP_CLIENT_ID", "the client of the gateway")?.to_owned();
    let name = "ACP_CLIENT_SECRET";
    let secret = required(name, "the secret of that client")?;
    let client_secret = GatewayCredential::header_value(secret)
        .map_err(|error| InvalidSetting::secret(name, &error.to_string()))?;
    let name = "HTTP_CLIENT_INSECURE_SKIP_VERIFY";
    if flag(name, false)? {
        return Err(InvalidSetting::new(
            name,
            "true",
            "false: certificates are always checked; give the authority of the control plane in HTTP_CLIENT_ROOT_CA",
        ));
    }
    let (shortest, longest) = RELOAD_BOUNDS;
    Ok(CloudentitySource {
        control_plane: ControlPlaneSettings {
            issuer,
            client_id,
            client_secret,
            tenant_id,
            server_id: environment.value("ACP_SERVER_ID").map(str::to_owned),
            timeout: CALL_TIME,
        },
        reload_interval: time(
            environment,
            "ACP_RELOAD_INTERVAL",
            Duration::from_secs(5),
            (shortest, longest),
        )?,
        max_age: time(
            environment,
            "PORTCULLIS_CONFIGURATION_MAX_AGE",
            DEFAULT_MAX_AGE,
            (shortest, LONGEST_MAX_AGE),
        )?,
        allow_unknown: flag("ENFORCEMENT_ALLOW_UNKNOWN", false)?,
        inject_context: flag("AWS_INJECT_CONTEXT", false)?,
        languages,
    })
}

/// A flag as Go's `strconv.ParseBool` reads it, which Cloudentity's authorizer is written in.
pub fn go_flag(
    environment: &Environment,
    name: &str,
    default: bool,
) -> Result<bool, InvalidSetting> {
    match environment.value(name) {
        None => Ok(default),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => Err(InvalidSetting::new(name, other, "true or false")),
    }
}

fn time(
    environment: &Environment,
    name: &str,
    default: Duration,
    (shortest, longest): (Duration, Duration),
) -> Result<Duration, InvalidSetting> {
    let Some(text) = environment.value(name) else {
        return Ok(default);
    };
    let in_bounds = |time: &Duration| (shortest..=longest).contains(time);
    go_duration(text).filter(in_bounds).ok_or_else(|| {
        let expected = format!(
            "a time from {}s to {}s, such as 5s or 1m0s",
            shortest.as_secs(),
            longest.as_secs()
        );
        InvalidSetting::new(name, text, &expected)
    })
}

/// A duration as Go's `time.ParseDuration` reads it: `5s`, `1m0s`, `1h30m`, `500ms`; whole numbers only.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits)?;
        let number: u64 = number.parse().ok()?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at_checked(letters)?;
        let part = match unit {
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "s" => Duration::from_secs(number),
            "ms" => Duration::from_millis(number),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, seconds) in [
            ("5s", Some(5)),
            ("1m0s", Some(60)),
            ("1h30m", Some(5400)),
            ("2000ms", Some(2)),
            ("", None),
            ("5", None),
            ("s", None),
            ("1m0", None),
            ("-5s", None),
            ("1.5s", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(
                go_duration(text),
                seconds.map(Duration::from_secs),
                "{text}"
            );
        }
    }
}
