//! What gateways send to a Cloudentity control plane: forms with credentials and tokens, the API groups that they have
//! discovered, and events. A form says each thing once, the same to every reader; JSON is read and written again without
//! a loss; and what a path stands for are patterns that a policy directory takes.
//!
//! An input is the body of a call.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use portcullis_cloudentity::{ApiGroups, GatewayEvents, SystemError, path_patterns};
use portcullis_model::PathPattern;
use portcullis_pdp::form::{Form, decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

fuzz_target!(|data: &[u8]| {
    form(data);
    again::<SystemError>(data);
    if let Some(groups) = again::<ApiGroups>(data) {
        let apis = groups.api_groups.iter().flat_map(|group| &group.apis);
        for pattern in apis.filter_map(|api| path_patterns(&api.path)).flatten() {
            // One that is too long is refused with its group.
            assert!(
                PathPattern::infer(&pattern).is_ok() || pattern.len() > 240,
                "{pattern}"
            );
        }
    }
    if let Some(events) = again::<GatewayEvents>(data) {
        for event in &events.events {
            // Whoever shows it says nothing of its token.
            let shown = format!("{event:?}");
            let token = &event.token;
            let said = [event.api_id.as_str(), event.result.result.as_str()];
            let is_said = said.iter().any(|said| said.contains(token.as_str()));
            assert!(token.len() < 16 || is_said || !shown.contains(token.as_str()));
        }
    }
});

/// A value, where it is one; written, it is read as the same.
fn again<T: DeserializeOwned + Serialize + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(data).ok()?;
    let written = serde_json::to_vec(&read).unwrap();
    assert!(serde_json::from_slice::<T>(&written).unwrap() == read);
    Some(read)
}

fn form(data: &[u8]) {
    let Some(form) = Form::parse(data) else {
        return;
    };
    let text = str::from_utf8(data).unwrap();
    let mut names = Vec::new();
    let mut written = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let name = decode(pair.split('=').next().unwrap_or_default()).unwrap();
        assert!(!names.contains(&name), "{name} is there twice");
        let value = form.get(&name).unwrap_or_default();
        written.push(format!("{}={}", encode(&name), encode(value)));
        names.push(name);
    }
    let again = Form::parse(written.join("&").as_bytes()).unwrap();
    for name in &names {
        assert_eq!(form.get(name), again.get(name));
        assert!(form.get(name).is_none_or(|value| !value.is_empty()));
    }
    if let Some(name) = names.first() {
        let twice = format!("{text}&{}=x", encode(name));
        assert!(Form::parse(twice.as_bytes()).is_none(), "{twice}");
    }
}
