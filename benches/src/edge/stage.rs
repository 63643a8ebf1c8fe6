//! What all contestants share: a service on loopback, in the clear and behind TLS, events with the same token and
//! headers, and the packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use portcullis_test_support::http::{self, Connection};
use portcullis_test_support::lambda::Function;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::instance::{Before, Instance, Transport};
use super::package::Package;
use crate::decision_service::{AUDIENCE, CREDENTIAL};
use crate::figures;
use crate::tokens::Tokens;

/// How many of the contestants run in Node.js: Portcullis, and the handler by hand.
pub(crate) const NODE: usize = 2;

/// Everything that is needed to start contestants.
pub(crate) struct Stage<'a> {
    root: &'a Path,
    pub(crate) bootstrap: PathBuf,
    pub(crate) plain: Service,
    pub(crate) tls: Service,
    event: Value,
    /// The same request as an event of API Gateway.
    pub(crate) rest_event: String,
    _certificate: TempDir,
}

/// A decision service on loopback. It answers each call with its own body, which is a permit.
pub(crate) struct Service {
    url: String,
    /// In PEM, and the file that it is in.
    certificate: Option<(String, PathBuf)>,
    /// The packages that ask it: Portcullis', and the one by hand.
    pub(crate) packages: [Package; NODE],
}

impl<'a> Stage<'a> {
    /// Starts the services, which go on until the process ends.
    pub(crate) fn new(root: &'a Path, binaries: &Path, now: u64) -> Result<Self> {
        let bootstrap = binaries.join("bootstrap");
        ensure!(
            bootstrap.is_file(),
            "{} is not there: run `make build` first",
            bootstrap.display()
        );
        let tokens = Tokens::new(now)?;
        let signed = tokens
            .algorithms
            .iter()
            .find(|signed| signed.algorithm == "RS256");
        let token = signed
            .and_then(|signed| signed.tokens.first())
            .context("there is an RS256 token")?;
        let folder = tempfile::tempdir()?;
        let (tls, certificate) = http::listen_tls(echo);
        let file = folder.path().join("certificate.pem");
        fs::write(&file, &certificate)?;
        let plain = format!("http://{}", http::listen(echo));
        Ok(Self {
            root,
            bootstrap,
            plain: Service::new(root, plain, None)?,
            tls: Service::new(root, format!("https://{tls}"), Some((certificate, file)))?,
            event: viewer_request(token),
            rest_event: figures::event(token),
            _certificate: folder,
        })
    }

    /// An instance of that one of the packages.
    pub(crate) fn node(
        &self,
        package: usize,
        service: &Service,
        before: Before,
        transport: Transport,
    ) -> Result<Instance> {
        let package = service.packages.get(package).context("two packages")?;
        let certificate = service.certificate.as_ref().map(|(_, file)| file.as_path());
        Instance::start(
            self.root,
            package,
            before,
            transport,
            certificate,
            &self.event,
        )
    }

    /// The native authorizer.
    pub(crate) fn authorizer(&self, service: &Service) -> Function {
        let mut environment = vec![
            ("SERVICE_URL", service.url.as_str()),
            ("SECRET_HEADER_VALUE", CREDENTIAL),
            ("PORTCULLIS_BASE_URL", AUDIENCE),
        ];
        if let Some((certificate, _)) = &service.certificate {
            environment.push(("PORTCULLIS_ROOT_CA", certificate));
        }
        Function::start(&self.bootstrap, &environment)
    }
}

impl Service {
    fn new(root: &Path, url: String, certificate: Option<(String, PathBuf)>) -> Result<Self> {
        Ok(Self {
            packages: [
                Package::of_portcullis(root, &url)?,
                Package::by_hand(root, &url)?,
            ],
            url,
            certificate,
        })
    }
}

fn echo(mut connection: Connection) -> std::io::Result<()> {
    while let Some(request) = connection.read()? {
        let headers = "Content-Type: application/json\r\n";
        connection.write("200 OK", headers, &request.body)?;
    }
    Ok(())
}

/// A viewer-request event with the headers that a browser and CloudFront send (CloudFront Developer Guide, "Lambda@Edge
/// event structure").
fn viewer_request(token: &str) -> Value {
    let headers = [
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Authorization", &format!("Bearer {token}")),
        ("Host", "d111111abcdef8.cloudfront.net"),
        ("Origin", "https://www.example.com"),
        ("Referer", "https://www.example.com/stars"),
        (
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
        ),
        (
            "X-Amzn-Trace-Id",
            "Root=1-5e66d96f-7491f09xmpl79d18acf3d050",
        ),
        ("X-Forwarded-For", "203.0.113.7"),
    ];
    let headers: Map<_, _> = headers
        .iter()
        .map(|(name, value)| {
            let field = json!([{ "key": name, "value": value }]);
            (name.to_ascii_lowercase(), field)
        })
        .collect();
    json!({ "Records": [{ "cf": {
        "config": {
            "distributionDomainName": "d111111abcdef8.cloudfront.net", "distributionId": "EDFDVBD6EXAMPLE",
            "eventType": "viewer-request",
            "requestId": "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==",
        },
        "request": {
            "clientIp": "203.0.113.7", "headers": headers, "method": "GET", "querystring": "", "uri": "/planets",
        },
    } }] })
}
