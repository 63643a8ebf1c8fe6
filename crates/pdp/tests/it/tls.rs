//! Whom the client trusts: the web's authorities and those it is given, for the right name and at
//! the right time.

use std::sync::Arc;

use portcullis_pdp::Unavailable;
use portcullis_pdp::clock::SystemClock;
use portcullis_pdp::http::{InvalidRoots, TlsRoots};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::service::{Act, Service, ok, response};
use crate::support::{client, client_with, decide, settings};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    Authority { issuer, pem }
}

impl Authority {
    fn server(&self, params: &CertificateParams) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

fn for_names(names: &[&str]) -> CertificateParams {
    CertificateParams::new(
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>(),
    )
    .unwrap()
}

/// What comes of asking a server with that certificate, trusting the web and that PEM.
async fn ask(tls: ServerConfig, trusted: Option<&str>) -> Result<usize, String> {
    let service = Service::start_tls(tls, |_, seen| ok(&seen.body));
    let roots = match trusted {
        Some(pem) => TlsRoots::with_pem(pem.as_bytes()).unwrap(),
        None => TlsRoots::public(),
    };
    let client = client_with(
        settings(&service.https_url()),
        &roots,
        Arc::new(SystemClock),
    );
    for _ in 0..3 {
        match decide(&client).await {
            Ok(decision) => assert!(decision.is_permit()),
            Err(Unavailable::Network { cause }) => {
                assert!(
                    service.seen().is_empty(),
                    "the credential went to a stranger"
                );
                return Err(cause);
            }
            Err(other) => panic!("{other}"),
        }
    }
    Ok(service.connections())
}

#[tokio::test]
async fn an_authority_that_is_given_is_trusted_and_connections_are_kept() {
    let authority = authority("one");
    let tls = authority.server(&for_names(&["127.0.0.1"]));
    assert_eq!(ask(tls, Some(&authority.pem)).await, Ok(1));
    let several = format!("{}{}", self::authority("other").pem, authority.pem);
    let tls = authority.server(&for_names(&["127.0.0.1"]));
    assert_eq!(ask(tls, Some(&several)).await, Ok(1));
}

#[tokio::test]
async fn strangers_are_refused() {
    let (authority, other) = (authority("one"), authority("other"));
    let tls = |params: &CertificateParams| authority.server(params);
    let good = for_names(&["127.0.0.1"]);
    let mut expired = good.clone();
    expired.not_before = date_time_ymd(2020, 1, 1);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let trusted = Some(&*authority.pem);
    for (what, server, trusted, cause) in [
        ("no authority", tls(&good), None, "UnknownIssuer"),
        (
            "other authority",
            tls(&good),
            Some(&*other.pem),
            "UnknownIssuer",
        ),
        (
            "other name",
            tls(&for_names(&["pdp.example.com"])),
            trusted,
            "not valid for name",
        ),
        (
            "other address",
            tls(&for_names(&["127.0.0.2"])),
            trusted,
            "not valid for name",
        ),
        ("expired", tls(&expired), trusted, "expired"),
    ] {
        let refused = ask(server, trusted).await.unwrap_err();
        assert!(refused.contains(cause), "{what}: {refused}");
    }
}

#[tokio::test]
async fn https_never_becomes_http() {
    let plain = Service::start(|_, _| Act::Answer(response(200, "", "{}")));
    let error = decide(&client(settings(&plain.https_url())))
        .await
        .unwrap_err();
    assert!(matches!(error, Unavailable::Network { .. }), "{error}");
    assert!(plain.seen().is_empty());
}

#[test]
fn what_is_no_certificate_is_no_authority() {
    let refused = |pem: &str| TlsRoots::with_pem(pem.as_bytes()).unwrap_err();
    assert_eq!(refused(""), InvalidRoots::Empty);
    assert_eq!(refused("/etc/ssl/ca.pem"), InvalidRoots::Empty);
    assert_eq!(
        refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        InvalidRoots::Certificate
    );
    assert_eq!(
        refused("-----BEGIN CERTIFICATE-----\nAAAA\n"),
        InvalidRoots::Pem
    );
}
