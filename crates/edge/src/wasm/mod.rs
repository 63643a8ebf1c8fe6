//! The border to Node.js: what the handler calls. `js/` is the other side.
//!
//! Everything runs on one thread and to its end: a call begins or continues work, what can be done is done before it
//! returns, and what has to be waited for comes back as another call. So each step of ours happens under a call that
//! the handler can catch.

mod clock;
mod host;
mod http;
mod log;
mod pending;
mod tasks;

use std::sync::{Arc, OnceLock};

use portcullis_enforcement::{Environment, InvalidSetting, Platform, SettingReader};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::http::Http;
use serde_json::{Map, Value};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::config::POLICY_SECRET;
use crate::{AwsSecrets, EdgeFunction, EdgeSettings, InvalidConfig, languages, read_config};
use clock::HostClock;
use http::HostHttp;

static FUNCTION: OnceLock<Arc<EdgeFunction>> = OnceLock::new();

/// Makes the function out of what `config.js` exports and the variables that Lambda reserves, both in JSON, and begins to
/// fetch what decisions will need. Gives the time that a decision may take, in milliseconds; an error is one line.
#[wasm_bindgen]
pub fn start(config: &str, reserved: &str) -> Result<u32, String> {
    log::report_panics();
    fastrand::seed(host::random().to_bits());
    let environment = read_config(config)
        .map_err(|error| error.to_string())?
        .with_files(host::read_file_of_package)
        .with_variables(strings(reserved));
    let settings = EdgeSettings::from_environment(&environment, languages())
        .map_err(|error| InvalidConfig::from(error).to_string())?;
    log::start(settings.shared.log_level);
    trust(&environment).map_err(|error| InvalidConfig::from(error).to_string())?;
    let budget = u32::try_from(settings.shared.timeout.as_millis()).unwrap_or(u32::MAX);
    let (http, clock): (Arc<dyn Http>, Arc<dyn Clock>) = (Arc::new(HostHttp), Arc::new(HostClock));
    let secrets = Arc::new(AwsSecrets {
        http: Arc::clone(&http),
        clock: Arc::clone(&clock),
        environment: environment.clone(),
    });
    let platform = Platform {
        http,
        clock,
        secrets,
        // What a policy may name as its secrets, and nothing of the role or the gateway.
        environment: environment
            .only(|name| name == "AWS_LAMBDA_FUNCTION_NAME" || name.starts_with(POLICY_SECRET)),
    };
    let function = EdgeFunction::new(settings, &platform).map_err(|error| error.to_string())?;
    let function = Arc::new(function);
    if FUNCTION.set(Arc::clone(&function)).is_err() {
        return Err("the function was started already".to_owned());
    }
    tasks::start(async move { function.hydrate().await });
    tasks::run();
    Ok(budget)
}

/// Begins to answer an event, in JSON. The answer goes to the host under the number of the call.
#[wasm_bindgen]
pub fn handle(call: u32, event: &str) {
    let Some(function) = FUNCTION.get() else {
        return;
    };
    let event = event.to_owned();
    tasks::start(async move {
        let handled = function.handle(event.as_bytes()).await;
        host::write_line(&handled.metrics);
        host::answered(call, &handled.answer);
        function.renew().await;
    });
    tasks::run();
}

/// The pause of that number is over.
#[wasm_bindgen]
pub fn woke(pause: u32) {
    clock::PAUSES.with(|pauses| pauses.resolve(pause, ()));
    tasks::run();
}

/// The request of that number was answered. Header fields are names and values in turn.
#[wasm_bindgen]
pub fn received(request: u32, status: u16, headers: Vec<String>, body: Vec<u8>) {
    http::received(request, status, headers, body);
    tasks::run();
}

/// The request of that number was not answered: `timeout`, `too_large`, or the cause.
#[wasm_bindgen]
pub fn failed(request: u32, kind: &str, cause: String) {
    http::failed(request, kind, cause);
    tasks::run();
}

/// The members of an object that are texts.
fn strings(json: &str) -> Vec<(String, String)> {
    let object: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
    let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
    object.into_iter().filter_map(text).collect()
}

/// Trusts the certificate authorities of `PORTCULLIS_ROOT_CA`, beside those of Node.js.
fn trust(environment: &Environment) -> Result<(), InvalidSetting> {
    let trust = |pem: &str| {
        let trusted = host::trust(pem).then_some(());
        trusted.ok_or_else(|| "Node.js does not take them".to_owned())
    };
    let read = SettingReader(environment).certificates("PORTCULLIS_ROOT_CA", trust)?;
    Ok(read.unwrap_or_default())
}
