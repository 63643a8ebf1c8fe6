//! The least that a Lambda function can do: ask for the event, ask the service where there is one, post an answer that was
//! prepared, all on bare sockets. What the kernel takes for that is in the figures of every other function, too.

use std::env;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use portcullis_aws::{AuthorizerEvent, EventOptions};
use portcullis_sideband::SidebandRequest;

use crate::decision_service::CREDENTIAL;
use crate::service::{Connection, Post};

/// The argument with which this program is such a function.
pub(crate) const ARGUMENT: &str = "least-function";
/// The address of the service, and the call in the bytes that are sent.
pub(crate) const ADDRESS: &str = "SERVICE_ADDRESS";
pub(crate) const CALL: &str = "SERVICE_CALL";

/// A policy as short as one can be, which is no decision.
const ANSWER: &str = r#"{"principalId":"user","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"*"}]}}"#;

/// Answers events for as long as the runtime API is there.
pub(crate) fn run() -> Result<()> {
    let api: SocketAddr = variable("AWS_LAMBDA_RUNTIME_API")?.parse()?;
    let next = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {api}\r\n\r\n");
    let answer = Post {
        path: "/2018-06-01/runtime/invocation/1/response",
        header: "",
        body: ANSWER,
    };
    let answer = answer.to_bytes(api);
    let mut service = match variable(ADDRESS) {
        Ok(address) => Some(Service::connect(address.parse()?, variable(CALL)?)?),
        Err(_) => None,
    };
    let mut api = Connection::patient(api)?;
    loop {
        api.send(next.as_bytes())?;
        api.receive()?;
        if let Some(service) = &mut service {
            service.ask()?;
        }
        api.send(&answer)?;
        api.receive()?;
    }
}

/// The service, and what it is asked.
struct Service {
    address: SocketAddr,
    connection: Connection,
    call: String,
}

impl Service {
    fn connect(address: SocketAddr, call: String) -> Result<Self> {
        let connection = Connection::patient(address)?;
        Ok(Self {
            address,
            connection,
            call,
        })
    }

    /// The service closes connections that nothing came on for some time, such as while others take their turns.
    fn ask(&mut self) -> Result<()> {
        if self.exchange().is_err() {
            self.connection = Connection::patient(self.address)?;
            self.exchange()?;
        }
        Ok(())
    }

    fn exchange(&mut self) -> Result<()> {
        self.connection.send(self.call.as_bytes())?;
        self.connection.receive()?;
        Ok(())
    }
}

/// The settings of one that asks the service what a function would ask for that event.
pub(crate) fn settings(service: &str, event: &str) -> Result<Vec<(&'static str, String)>> {
    let address = service.strip_prefix("http://").unwrap_or(service);
    let event = AuthorizerEvent::parse(event.as_bytes(), &EventOptions::default())?;
    let request = SidebandRequest::from_api_request(event.request());
    let call = Post {
        path: "/sideband/request",
        header: &format!("CLIENT-TOKEN: {CREDENTIAL}\r\n"),
        body: &serde_json::to_string(&request)?,
    };
    let call = String::from_utf8(call.to_bytes(address.parse()?))?;
    Ok(vec![(ADDRESS, address.to_owned()), (CALL, call)])
}

#[expect(
    clippy::disallowed_methods,
    reason = "settings of a function are in its environment"
)]
fn variable(name: &'static str) -> Result<String> {
    env::var(name).context(name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use portcullis_test_support::http;

    use super::Service;

    #[test]
    fn a_connection_that_was_closed_is_opened_again() {
        let opened = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&opened);
        let address = http::listen(move |mut connection| {
            count.fetch_add(1, Ordering::SeqCst);
            // One answer, and then it closes.
            if connection.read()?.is_some() {
                connection.write("200 OK", "", b"{}")?;
            }
            Ok(())
        });
        let call = "GET / HTTP/1.1\r\n\r\n".to_owned();
        let mut service = Service::connect(address, call).unwrap();
        for _ in 0..3 {
            service.ask().unwrap();
        }
        assert_eq!(opened.load(Ordering::SeqCst), 3);
    }
}
