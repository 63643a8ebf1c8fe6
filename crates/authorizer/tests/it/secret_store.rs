//! A credential that is kept in Secrets Manager or SSM, behind a stand-in for the AWS Parameters and
//! Secrets extension that answers in its documented form.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_authorizer::{Authorizer, Environment, Settings};
use portcullis_pdp::clock::{Clock, Moment, Sleep, SystemClock};
use portcullis_test_support::http;
use portcullis_test_support::lambda::Function;
use serde_json::json;

use crate::support::{BOOTSTRAP, CREDENTIAL, Service, allows, check_log, rest_event};

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:gateway-AbCdEf";
const PARAMETER: &str = "arn:aws:ssm:us-east-1:123456789012:parameter/gateway";

/// The port of an extension that gives out that secret, what it was asked, and how often.
fn extension(secret: &'static str) -> (String, Arc<Mutex<String>>, Arc<AtomicUsize>) {
    let (asked, times) = (
        Arc::new(Mutex::new(String::new())),
        Arc::new(AtomicUsize::new(0)),
    );
    let (writer, counter) = (Arc::clone(&asked), Arc::clone(&times));
    let address = http::listen(move |mut connection| {
        while let Some(request) = connection.read()? {
            counter.fetch_add(1, Ordering::SeqCst);
            let body = if request.line.contains("/secretsmanager/") {
                json!({ "ARN": SECRET, "Name": "gateway", "SecretString": secret })
            } else {
                json!({ "Parameter": { "Name": "gateway", "Value": secret } })
            };
            *writer.lock().unwrap() = request.line;
            connection.write("200 OK", "", body.to_string().as_bytes())?;
        }
        Ok(())
    });
    (address.port().to_string(), asked, times)
}

fn function(service: &Service, arn: &str, port: &str) -> Function {
    let settings = [
        ("SERVICE_URL", service.url.as_str()),
        ("SECRET_HEADER_VALUE_ARN", arn),
        ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", port),
        ("AWS_SESSION_TOKEN", "session"),
    ];
    let mut function = Function::start(Path::new(BOOTSTRAP), &settings);
    function.ready();
    function
}

#[test]
fn is_read_once_at_the_first_event() {
    for (arn, path) in [
        (SECRET, "/secretsmanager/get?secretId=arn%3Aaws"),
        (PARAMETER, "/systemsmanager/parameters/get?name=arn%3Aaws"),
    ] {
        let service = Service::permitting();
        let (port, asked, times) = extension(CREDENTIAL);
        let mut function = function(&service, arn, &port);
        assert_eq!(
            times.load(Ordering::SeqCst),
            0,
            "the extension cannot answer before the first event"
        );
        for _ in 0..3 {
            assert!(allows(
                &function.invoke(&rest_event("/planets").to_string()).outcome
            ));
        }
        assert_eq!(times.load(Ordering::SeqCst), 1);
        assert!(asked.lock().unwrap().contains(path), "{asked:?}");
        check_log(&function.stop());
    }
}

#[test]
fn without_it_nothing_is_asked_and_nothing_gets_through() {
    let service = Service::permitting();
    let (port, ..) = extension("{\"token\":\"gateway-credential-5f1c\"}");
    for port in [port.as_str(), "1"] {
        let mut function = function(&service, SECRET, port);
        assert!(
            function
                .invoke(&rest_event("/planets").to_string())
                .outcome
                .is_err()
        );
        check_log(&function.stop());
    }
    assert_eq!(service.calls(), 0);
}

/// The system's clock, an hour later each time it is told to be.
#[derive(Debug, Default)]
struct LaterClock(AtomicUsize);

impl Clock for LaterClock {
    fn unix_now(&self) -> u64 {
        SystemClock.unix_now()
    }

    fn monotonic(&self) -> Moment {
        let hours = u64::try_from(self.0.load(Ordering::SeqCst)).unwrap();
        SystemClock.monotonic() + Duration::from_hours(hours)
    }

    fn sleep(&self, time: Duration) -> Sleep {
        SystemClock.sleep(time)
    }
}

#[tokio::test]
async fn a_rotated_credential_is_read_again() {
    let (port, _, times) = extension(CREDENTIAL);
    // From the second hour on, the service accepts only what was read a second time.
    let clock = Arc::new(LaterClock::default());
    let (hour, read) = (Arc::clone(&clock), Arc::clone(&times));
    let service = Service::start(move |sent| {
        let rotated = hour.0.load(Ordering::SeqCst) > 0;
        if rotated && read.load(Ordering::SeqCst) < 2 {
            ("401 Unauthorized", String::new())
        } else {
            ("200 OK", sent.to_string())
        }
    });
    let environment = Environment::from([
        ("SERVICE_URL", service.url.as_str()),
        ("SECRET_HEADER_VALUE_ARN", SECRET),
        ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", &port),
        ("AWS_SESSION_TOKEN", "session"),
    ]);
    let settings = Settings::from_environment(&environment).unwrap();
    let authorizer = Authorizer::new(settings, environment, Arc::clone(&clock) as _).unwrap();
    let event = serde_json::value::to_raw_value(&rest_event("/planets")).unwrap();
    assert!(authorizer.handle(&event, "1").await.unwrap().is_allow());
    clock.0.store(1, Ordering::SeqCst);
    assert!(
        authorizer.handle(&event, "2").await.unwrap().is_allow(),
        "the same event is decided"
    );
    assert_eq!(times.load(Ordering::SeqCst), 2);
    assert!(authorizer.handle(&event, "3").await.unwrap().is_allow());
    assert_eq!((times.load(Ordering::SeqCst), service.calls()), (2, 4));
}
