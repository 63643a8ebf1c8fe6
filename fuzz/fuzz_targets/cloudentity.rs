//! The configuration of a Cloudentity gateway: whatever a control plane says, reading and converting it never
//! panics, and what was compiled decides without a surprise ([`portcullis_fuzz::check_decisions`]): an API whose
//! policy cannot be used is denied, and what no API covers is open only where that was asked for.
//!
//! An input is the JSON of a configuration, which is also the body of a request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_cloudentity::{GatewayConfiguration, path_patterns};
use portcullis_engine::Unmatched;
use portcullis_fuzz::{CERTIFICATE, Message, Traffic, check_decisions};
use portcullis_pdp::cloudentity::compile_configuration;

const INTROSPECTION: &str = "https://acp.example.com/system/introspect";

fuzz_target!(|data: &[u8]| {
    if let Ok(path) = str::from_utf8(data) {
        let _ = path_patterns(path);
    }
    let Ok(configuration) = serde_json::from_slice::<GatewayConfiguration>(data) else {
        return;
    };
    let written = serde_json::to_vec(&configuration).unwrap();
    let read: GatewayConfiguration = serde_json::from_slice(&written).unwrap();
    assert!(read == configuration);
    let traffic = Traffic {
        message: Message::read(str::from_utf8(data).unwrap_or_default()),
        certificate: CERTIFICATE.to_owned(),
        // No configuration says anything about responses.
        tells_response: false,
    };
    for allow_unknown in [false, true] {
        let compiled = compile_configuration(&configuration, allow_unknown, INTROSPECTION, &[]);
        let Ok(compiled) = compiled else { continue };
        let mut services = compiled.policy.services().iter();
        assert!(allow_unknown || services.all(|service| service.unmatched == Unmatched::Deny));
        check_decisions(&compiled.policy, &traffic);
    }
});
