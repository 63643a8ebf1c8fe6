//! The secrets that the decision service knows gateways by, and seals with what it hands to them.

use anyhow::{Context, Result, bail};
use portcullis_server::{GatewayCredentials, MIN_STATE_KEY_BYTES, StateKey, SystemIssuer};

use super::Arguments;

/// The gateway credentials that are given; `None` where the user insists on none, or has them in the database.
pub(super) fn credentials(arguments: &Arguments) -> Result<Option<GatewayCredentials>> {
    let from_file = match &arguments.credentials {
        Some(path) => {
            #[expect(
                clippy::disallowed_methods,
                reason = "the file that --credentials names"
            )]
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            Some(text)
        }
        None => None,
    };
    match from_file.or_else(|| arguments.gateway_credentials.clone()) {
        Some(_) if arguments.insecure_no_credentials => {
            bail!(
                "PORTCULLIS_GATEWAY_CREDENTIALS is set and --insecure-no-credentials is given: remove one"
            )
        }
        Some(list) => Ok(Some(GatewayCredentials::parse(&list)?)),
        None if arguments.insecure_no_credentials => loopback_only(arguments).map(|()| None),
        None if arguments.database_url.is_some() => Ok(None),
        None => bail!(
            "no gateway credentials: set PORTCULLIS_GATEWAY_CREDENTIALS, name a file with --credentials, \
             or give --insecure-no-credentials on a loopback address"
        ),
    }
}

/// What the states are sealed with that gateways hand back: set, where there are replicas.
pub(super) fn state_key(arguments: &Arguments) -> Result<StateKey> {
    let Some(text) = &arguments.state_key else {
        return StateKey::random().context("the system gives no random bytes");
    };
    StateKey::from_text(text.trim().as_bytes()).with_context(|| {
        format!("PORTCULLIS_STATE_KEY is [redacted]: expected at least {MIN_STATE_KEY_BYTES} characters, such as those of `openssl rand -hex 32`")
    })
}

/// What signs the access tokens of gateways. A state key that is too short has stopped the start before.
pub(super) fn system_issuer(arguments: &Arguments) -> SystemIssuer {
    let key = arguments.state_key.as_deref().map(str::trim);
    let sealed = key.and_then(|key| SystemIssuer::sealed_with(key.as_bytes()));
    sealed.unwrap_or_else(|| {
        if arguments.public_url.is_some() {
            tracing::warn!("the access tokens of Cloudentity gateways end with this process, and no other replica takes them: set PORTCULLIS_STATE_KEY");
        }
        SystemIssuer::of_this_process()
    })
}

fn loopback_only(arguments: &Arguments) -> Result<()> {
    if !arguments.listen.ip().is_loopback() {
        bail!(
            "--insecure-no-credentials is for a loopback address only, and {} is none",
            arguments.listen
        )
    }
    Ok(())
}
