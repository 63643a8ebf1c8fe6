//! What operators get from `portcullis serve`: metrics, TLS, an orderly stop.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use portcullis_pdp::http::{HttpClient, HttpRequest, TlsRoots};
use portcullis_test_support::issuer::Issuer;
use rcgen::generate_simple_self_signed;

use crate::command::portcullis;
use crate::decide::{now, policy};
use crate::policy_check::directory;
use crate::serve::{Service, call};

const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[test]
fn metrics_tell_of_decisions_and_reloads() {
    let issuer = Issuer::start();
    let root = directory(&policy(issuer.url()));
    let service = Service::start(root.path());
    let token = issuer.token("api", "silver", now());
    service.decide(&call("/planets", Some(&token)));
    service.decide(&call("/planets", None));
    let has = |line: &str| service.get("/metrics").text.lines().any(|one| one == line);
    for line in [
        "portcullis_decisions_total{outcome=\"permit\",reason=\"permitted\"} 1",
        "portcullis_decisions_total{outcome=\"deny\",reason=\"missing_token\"} 1",
        "portcullis_decision_time_seconds_count 2",
        "portcullis_calls_total{endpoint=\"/sideband/request\",status=\"200\"} 2",
        "portcullis_last_load_success{what=\"policy\"} 1",
        "portcullis_issuer_requests_total{kind=\"document\",result=\"success\"} 2",
    ] {
        assert!(has(line), "{line}\n{}", service.get("/metrics").text);
    }
    let file = root.path().join("services/a.yaml");
    let failed = "portcullis_last_load_success{what=\"policy\"} 0";
    let good = "portcullis_last_load_success{what=\"policy\"} 1";
    fs::write(&file, "name: [").unwrap();
    service.until("the broken edit shows", || has(failed));
    fs::write(&file, policy(issuer.url())).unwrap();
    service.until("the mended edit shows", || has(good));
    // What cannot even be looked at, and then can be again.
    std::os::unix::fs::symlink("/no/such/file", root.path().join("services/b.yaml")).unwrap();
    service.until("the dangling link shows", || has(failed));
    fs::remove_file(root.path().join("services/b.yaml")).unwrap();
    service.until("its end shows", || has(good));
}

#[test]
fn metrics_have_an_address_of_their_own_where_it_is_asked_for() {
    let root = directory(&policy("http://127.0.0.1:1"));
    let service = Service::launch(root.path(), &["--metrics-listen", "127.0.0.1:0"]);
    let address = || {
        let log = service.log();
        let (_, address) = log.split_once("\"metrics_address\":\"")?;
        Some(address.split('"').next()?.to_owned())
    };
    service.until("the address is in the log", || address().is_some());
    let answer = Service::send_to(&address().unwrap(), SCRAPE);
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("portcullis_build_info"));
    assert_eq!(service.get("/metrics").status, 404);
    let elsewhere = SCRAPE.replace("/metrics", "/health/live");
    assert_eq!(
        Service::send_to(&address().unwrap(), &elsewhere).status,
        404
    );
}

#[test]
fn speaks_tls() {
    let root = directory(&policy("http://127.0.0.1:1"));
    let pair = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (root.path().join("a.crt"), root.path().join("a.key"));
    fs::write(&certificate, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let arguments = [
        "--tls-certificate",
        certificate.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ];
    let service = Service::launch(root.path(), &arguments);
    let port = service.address.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}/health/live");
    let client = HttpClient::new(&TlsRoots::with_pem(pair.cert.pem().as_bytes()).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = runtime.block_on(client.send(
        HttpRequest::get(&url).unwrap(),
        Duration::from_secs(30),
        1000,
    ));
    assert_eq!(answer.unwrap().status, 200);

    let stranger = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(&key, stranger.signing_key.serialize_pem()).unwrap();
    service.until("the broken pair is in the log", || {
        service
            .log()
            .contains("does not belong to the first certificate")
    });
    assert!(service.log().contains(key.to_str().unwrap()));
    let output = start(root.path(), &arguments);
    assert_eq!(output.0, Some(2));
    assert!(
        output
            .1
            .contains("does not belong to the first certificate"),
        "{}",
        output.1
    );
}

#[test]
fn goes_on_for_a_while_when_it_is_told_to_stop() {
    let issuer = Issuer::start();
    let root = directory(&policy(issuer.url()));
    let mut service = Service::launch(root.path(), &["--drain-delay", "600"]);
    service.until("it is ready", || service.get("/health/ready").status == 200);
    let id = service.child.id().to_string();
    let terminate = || {
        let status = Command::new("kill").arg(&id).status().unwrap();
        assert!(status.success());
    };
    terminate();
    service.until("it is not ready any more", || {
        service.get("/health/ready").status == 503
    });
    let token = issuer.token("api", "silver", now());
    let answer = service.decide(&call("/planets", Some(&token)));
    assert!(answer.status == 200 && answer.body.get("response").is_none());
    terminate();
    assert!(service.child.wait().unwrap().success());
    assert!(
        service.log().contains("stopping at once"),
        "{}",
        service.log()
    );
}

#[test]
fn refuses_options_that_make_no_sense() {
    let root = directory(&policy("http://127.0.0.1:1"));
    for (arguments, expected) in [
        (&["--max-requests", "0"][..], "--max-requests"),
        (&["--max-requests", "901"], "--max-requests"),
        (&["--drain-delay", "601"], "--drain-delay"),
        (&["--tls-certificate", "a.crt"], "--tls-key"),
        (&["--tls-key", "a.key"], "--tls-certificate"),
        (
            &[
                "--tls-certificate",
                "/no/such.crt",
                "--tls-key",
                "/no/such.key",
            ],
            "/no/such.crt: No such file",
        ),
        (
            &["--metrics-listen", "192.0.2.1:1"],
            "cannot listen on 192.0.2.1:1",
        ),
    ] {
        let (status, errors) = start(root.path(), arguments);
        assert_eq!(status, Some(2), "{arguments:?}");
        assert!(errors.contains(expected), "{errors}");
    }
}

/// Exit status and errors of a service that does not start.
fn start(policy: &std::path::Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = portcullis()
        .args(["serve", "--listen", "127.0.0.1:0", "--policy"])
        .arg(policy)
        .args(arguments)
        .env("PORTCULLIS_GATEWAY_CREDENTIALS", "a")
        .stdout(Stdio::null())
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn traces_go_to_the_collector_that_the_environment_names() {
    let root = directory(&policy("http://127.0.0.1:1"));
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/", collector.local_addr().unwrap());
    let mut service = Service::launch(root.path(), &["--otlp-endpoint", &endpoint]);
    service.decide(&call("/planets", None));
    let id = service.child.id().to_string();
    let first = thread::spawn(move || {
        let mut stream = collector.accept().unwrap().0;
        let mut line = String::new();
        BufReader::new(&mut stream).read_line(&mut line).unwrap();
        let ok = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(ok.as_bytes()).unwrap();
        line
    });
    assert!(Command::new("kill").arg(&id).status().unwrap().success());
    assert!(service.child.wait().unwrap().success());
    assert_eq!(first.join().unwrap(), "POST /v1/traces HTTP/1.1\r\n");

    let output = portcullis()
        .args([
            "serve",
            "--insecure-no-credentials",
            "--listen",
            "127.0.0.1:0",
            "--policy",
        ])
        .arg(root.path())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{errors}");
}
