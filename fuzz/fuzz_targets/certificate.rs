//! Client certificates of mutual TLS (RFC 8705): a token that is bound to one certificate is taken beside that one and
//! no other, and what policies are told of a certificate is what binding compares.
//!
//! An input is a certificate in PEM as an enforcement point hands it over.
#![no_main]

use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use portcullis_engine::{
    IssuerUrl, PolicySet, Profile, SourceFile, TokenIssuer, compile, sender_finding,
};
use portcullis_fuzz::{
    CERTIFICATE, NOW, Nobody, THUMBPRINT, decide_bare, holds_certificate, request,
};
use portcullis_jose::{AwsLc, CryptoProvider};
use portcullis_model::{ApiRequest, ClientCertificate, Outcome};
use serde_json::{Value, json};

const SERVICE: &str = r#"
name: S
base_urls: [https://api.example.com]
operations:
  - name: all
    paths: [/**]
    public: true
    statements:
      - { code: set-headers, obligatory: false, payload: { X-Thumbprint: "{{request.mtls.x5t#S256}}" } }
"#;

static POLICY: LazyLock<PolicySet> = LazyLock::new(|| {
    let service = SourceFile {
        path: "services/s.yaml".to_owned(),
        text: SERVICE.to_owned(),
    };
    // Otherwise that no other certificate is the one would prove nothing.
    assert!(holds(THUMBPRINT, &with(CERTIFICATE)));
    compile(&[service], &[]).unwrap()
});

fuzz_target!(|data: &[u8]| {
    let policy = &*POLICY;
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let request = with(text);
    let is_genuine = holds(THUMBPRINT, &request);
    assert!(!is_genuine || holds_certificate(text), "{text:?}");
    for none in ["", "=", &"A".repeat(43)] {
        assert!(!holds(none, &request), "{text:?}");
    }
    let told = told(policy, &request);
    match &told {
        Some(thumbprint) => {
            let digest = BASE64_URL_SAFE_NO_PAD.decode(thumbprint).unwrap();
            assert_eq!(digest.len(), 32);
            assert!(holds(thumbprint, &request), "{text:?}");
            assert_eq!(is_genuine, thumbprint == THUMBPRINT);
        }
        None => assert!(!is_genuine),
    }
    if let Some(der) = strict(text) {
        let digest = BASE64_URL_SAFE_NO_PAD.encode(AwsLc.sha256(&der));
        assert_eq!(told, Some(digest), "{text:?}");
    }
});

fn with(pem: &str) -> ApiRequest {
    let headers = [("Authorization", "Bearer opaque-access-token")];
    let request = request("GET", "https://api.example.com/planets", &headers).unwrap();
    ApiRequest {
        client_certificate: Some(ClientCertificate {
            pem: pem.to_owned(),
        }),
        ..request
    }
}

/// Whether a token that is bound to the certificate of that thumbprint is taken with a request.
fn holds(thumbprint: &str, request: &ApiRequest) -> bool {
    let Value::Object(claims) = json!({ "cnf": { "x5t#S256": thumbprint } }) else {
        unreachable!()
    };
    let issuer = IssuerUrl::parse("https://idp.example.com").unwrap();
    let issuer = TokenIssuer::new(issuer, Vec::new(), Profile::Rfc9068);
    sender_finding(&claims, &issuer, request, &Nobody, NOW).is_none()
}

/// The thumbprint that policies are told.
fn told(policy: &PolicySet, request: &ApiRequest) -> Option<String> {
    let decision = decide_bare(policy, request).unwrap();
    let Outcome::Permit(edits) = decision.outcome else {
        panic!("{}", decision.reason.message);
    };
    let [edit] = edits.headers.as_slice() else {
        panic!("{edits:?}");
    };
    edit.values.first().cloned()
}

/// The certificate in a text that holds one certificate and nothing else (RFC 7468 section 3, `stricttextualmsg`, but
/// that lines may be shorter).
fn strict(text: &str) -> Option<Vec<u8>> {
    let body = text.strip_prefix("-----BEGIN CERTIFICATE-----\n")?;
    let body = body.strip_suffix("\n-----END CERTIFICATE-----\n")?;
    if body.lines().any(|line| line.is_empty() || line.len() > 64) || body.contains('\r') {
        return None;
    }
    let flat: String = body.lines().collect();
    BASE64_STANDARD
        .decode(flat)
        .ok()
        .filter(|der| !der.is_empty())
}
