//! What reaches the log when debugging is on: enough to see what happened, and no secret.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::service::{Act, Service, ok, response};
use crate::support::{client, decide, settings};

/// Every event with all its fields, whatever crate it comes from.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Line(&mut self.0.lock().unwrap()));
    }
}

#[tokio::test]
async fn an_exchange_leaves_one_line_and_no_secret() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
    let service = Service::start(|index, seen| match index {
        0 => ok(&seen.body),
        1 => Act::Answer(response(
            401,
            "x-leak: s3cret\r\n",
            r#"{"id":"1c7b","message":"s3cret"}"#,
        )),
        2 => Act::Answer(response(500, "", "s3cret")),
        3 => Act::Close,
        _ => ok("<html>s3cret</html>"),
    });
    let mut settings = settings(&format!("{}/base?key=s3cret", service.url()));
    settings.debug = true;
    let client = client(settings);
    assert!(decide(&client).await.is_ok());
    for _ in 1..5 {
        assert!(decide(&client).await.is_err());
    }
    let log = log.0.lock().unwrap().clone();
    assert!(!log.contains("s3cret"), "{log}");
    for part in [
        "/base",
        "status=200",
        "status=401",
        "status=500",
        "1c7b",
        "bytes_sent=",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    assert_eq!(log.matches("asked the decision point").count(), 5, "{log}");
}
