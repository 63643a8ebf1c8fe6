//! Documents that a test puts up and takes down by hand, and a record of who asked for what.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::keys::{Fetch, FetchError, FetchFuture};
use tokio::sync::Semaphore;

use crate::fake_clock::FakeClock;

/// All that can be fetched.
pub(crate) struct FakeWeb {
    clock: Arc<FakeClock>,
    documents: Mutex<HashMap<String, String>>,
    asked: Mutex<Vec<String>>,
    /// What one request costs on the clock.
    delay: Mutex<Duration>,
    /// One permit lets one request be answered.
    gate: Semaphore,
    /// Where to ask for what is not put up here.
    beyond: Mutex<Option<HttpClient>>,
}

impl FakeWeb {
    pub(crate) fn new(clock: &Arc<FakeClock>) -> Arc<Self> {
        Arc::new(Self {
            clock: Arc::clone(clock),
            documents: Mutex::default(),
            asked: Mutex::default(),
            delay: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            beyond: Mutex::default(),
        })
    }

    pub(crate) fn put(&self, url: &str, document: &str) {
        let mut documents = self.documents.lock().unwrap();
        documents.insert(url.into(), document.into());
    }

    pub(crate) fn take_down(&self, url: &str) {
        self.documents.lock().unwrap().remove(url).unwrap();
    }

    /// From now on every request takes that long, as the clock sees it.
    pub(crate) fn slow_down(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
    }

    /// From now on requests wait.
    pub(crate) fn stop(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn go_on(&self) {
        self.gate.add_permits(1000);
    }

    /// Lets requests for what is not put up go out to loopback.
    pub(crate) fn connect(&self) {
        *self.beyond.lock().unwrap() = Some(HttpClient::new(&TlsRoots::public()).unwrap());
    }

    /// The URLs that were asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl fmt::Debug for FakeWeb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeWeb")
    }
}

impl Fetch for FakeWeb {
    fn get<'a>(&'a self, url: &'a str, max_bytes: usize) -> FetchFuture<'a> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(url.into());
            self.gate.acquire().await.unwrap().forget();
            self.clock.advance(*self.delay.lock().unwrap());
            let document = self.documents.lock().unwrap().get(url).cloned();
            if let Some(document) = document {
                return Ok(document.into());
            }
            // Taken out while it is used, as a lock cannot be held meanwhile.
            let client = self.beyond.lock().unwrap().take();
            let Some(client) = client else {
                return Err(FetchError {
                    url: url.into(),
                    cause: "expected status 200, got 404".into(),
                });
            };
            let document = client.get(url, max_bytes).await;
            *self.beyond.lock().unwrap() = Some(client);
            document
        })
    }
}

/// Lets every task that can go on do so.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A JWK Set with one key under each of those ids. The key is that of RFC 7517 appendix A.1.
pub(crate) fn jwks(kids: &[&str]) -> String {
    let keys: Vec<String> = kids
        .iter()
        .map(|kid| {
            format!(
                r#"{{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"{kid}",
                "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}}"#
            )
        })
        .collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

pub(crate) fn metadata(issuer: &str, jwks_uri: &str) -> String {
    format!(r#"{{"issuer":"{issuer}","jwks_uri":"{jwks_uri}"}}"#)
}
