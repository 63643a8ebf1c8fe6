//! An internal extension: Lambda freezes the function only when its extensions have asked for the next event, too
//! (AWS Lambda developer guide, "Using the Lambda Extensions API to create extensions").

use std::time::Duration;

use bytes::Bytes;
use portcullis_pdp::http::{Http, HttpRequest};

/// How long registering may take. It is done before the first event.
const REGISTER_TIME: Duration = Duration::from_secs(2);
/// How long the next event may be away: longer than any instance lives.
const NEXT_TIME: Duration = Duration::from_hours(24 * 7);
/// Largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
const NAME: &str = "portcullis";

/// A registered extension.
pub(super) struct Extension {
    next: String,
    identifier: String,
}

impl Extension {
    /// Registers for the event `INVOKE`; internal extensions get no other. `None` where that is not possible, which
    /// is logged.
    pub(super) async fn register(runtime_api: &str, http: &dyn Http) -> Option<Self> {
        let base = format!("http://{runtime_api}/2020-01-01/extension");
        let request = HttpRequest::post_in_the_open(
            &format!("{base}/register"),
            Bytes::from_static(br#"{"events":["INVOKE"]}"#),
        )
        .and_then(|request| request.header("lambda-extension-name", NAME))
        .and_then(|request| request.header("content-type", "application/json"))
        .ok()?;
        let answer = http.send(request, REGISTER_TIME, MAX_ANSWER_BYTES).await;
        let identifier = answer
            .ok()
            .filter(|answer| answer.status == 200)
            .and_then(|answer| {
                let identifier = answer.headers.get("lambda-extension-identifier")?;
                identifier.to_str().ok().map(str::to_owned)
            });
        if identifier.is_none() {
            tracing::warn!("there is no extensions API; work after answers may be cut short");
        }
        Some(Self {
            next: format!("{base}/event/next"),
            identifier: identifier?,
        })
    }

    /// Says that all is done, and waits for the next event. `false` where that fails.
    pub(super) async fn next(&self, http: &dyn Http) -> bool {
        let request = HttpRequest::get_in_the_open(&self.next)
            .and_then(|request| request.header("lambda-extension-identifier", &self.identifier));
        let Ok(request) = request else {
            return false;
        };
        let answer = http.send(request, NEXT_TIME, MAX_ANSWER_BYTES).await;
        answer.is_ok_and(|answer| answer.status == 200)
    }
}
