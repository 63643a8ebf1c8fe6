//! Finds the APIs of the account, and tells the control plane: when a schedule says so, where the settings ask for it.
//!
//! Of REST APIs the deployment of each stage counts, which is what is live; of HTTP APIs the routes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_cloudentity::{ApiGroup, ApiGroupMetadata, ApiGroups, AwsApi, GroupApi};
use portcullis_enforcement::sigv4::{AwsCredentials, Signable, signature};
use portcullis_enforcement::{Environment, InvalidSetting};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::cloudentity::ControlPlane;
use portcullis_pdp::http::{Http, HttpRequest};
use serde_json::Value;

/// Most API groups and most APIs of all of them.
const MAX_GROUPS: usize = 500;
const MAX_APIS: usize = 5_000;
/// Largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// How long one call may take, and all of them together.
const CALL_TIME: Duration = Duration::from_secs(5);
const WHOLE_TIME: Duration = Duration::from_secs(20);
/// What Signature Version 4 leaves as it is in a query (RFC 3986 section 2.3).
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Between two calls: API Gateway takes ten a second of an account (Amazon API Gateway quotas).
const PAUSE: Duration = Duration::from_millis(120);
/// How often a call is made that is throttled.
const TRIES: u32 = 4;
/// After how long what was found is told again though it has not changed, in seconds.
const TELL_AGAIN: u64 = 3600;

/// Where the APIs are and who asks.
#[derive(Debug)]
pub struct DiscoverySettings {
    credentials: AwsCredentials,
    region: String,
    /// Scheme and authority.
    endpoint: String,
}

impl DiscoverySettings {
    /// From the variables that Lambda sets.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, InvalidSetting> {
        let missing = |name: &str| {
            InvalidSetting::missing(name, "what Lambda sets; PORTCULLIS_DISCOVERY needs it")
        };
        let name = "AWS_REGION";
        let region = environment.value(name).ok_or_else(|| missing(name))?;
        let name = "AWS_ENDPOINT_URL";
        let endpoint = match environment.value(name) {
            None => format!("https://apigateway.{region}.amazonaws.com"),
            Some(url) => {
                let url = url.trim_end_matches('/');
                HttpRequest::get(url)
                    .map_err(|error| InvalidSetting::new(name, url, &error.to_string()))?;
                url.to_owned()
            }
        };
        Ok(Self {
            credentials: AwsCredentials::from_environment(environment).map_err(missing)?,
            region: region.to_owned(),
            endpoint,
        })
    }
}

/// Finds APIs and tells them.
pub(super) struct Discovery {
    settings: DiscoverySettings,
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    /// What was told last, and when.
    told: Mutex<Option<(ApiGroups, u64)>>,
}

/// Why nothing was told.
#[derive(Debug, thiserror::Error)]
enum NotFound {
    #[error("API Gateway: {0}")]
    Call(String),
    #[error(
        "API Gateway answered status {0}; check the permission apigateway:GET of the function's role"
    )]
    Status(u16),
    #[error("the account has more than {MAX_GROUPS} stages or {MAX_APIS} methods and routes")]
    TooMany,
    #[error("it takes longer than {} s", WHOLE_TIME.as_secs())]
    TooLong,
}

impl Discovery {
    pub(super) fn new(
        settings: DiscoverySettings,
        http: Arc<dyn Http>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            settings,
            http,
            clock,
            told: Mutex::default(),
        }
    }

    /// Finds all APIs, and tells the control plane where that is news. All of them or nothing.
    pub(super) async fn run(&self, control_plane: &ControlPlane) {
        let found = tokio::time::timeout(WHOLE_TIME, self.find())
            .await
            .unwrap_or(Err(NotFound::TooLong));
        let groups = match found {
            Ok(groups) => groups,
            Err(error) => {
                tracing::warn!(%error, "the APIs of the account could not be found");
                return;
            }
        };
        let now = self.clock.unix_now();
        if !self.is_news(&groups, now) {
            return;
        }
        match control_plane.tell_groups(&groups).await {
            Ok(()) => {
                tracing::info!(
                    groups = groups.api_groups.len(),
                    "the APIs of the account were told"
                );
                if let Ok(mut told) = self.told.lock() {
                    *told = Some((groups, now));
                }
            }
            Err(error) => tracing::warn!(%error, "the APIs of the account could not be told"),
        }
    }

    fn is_news(&self, groups: &ApiGroups, now: u64) -> bool {
        let Ok(told) = self.told.lock() else {
            return true;
        };
        told.as_ref()
            .is_none_or(|(known, at)| known != groups || now.saturating_sub(*at) >= TELL_AGAIN)
    }

    async fn find(&self) -> Result<ApiGroups, NotFound> {
        let mut groups = Vec::new();
        for api in self
            .pages("/restapis", "item", "position", "position")
            .await?
        {
            let (id, name) = (text(&api, "id"), text(&api, "name"));
            for stage in list(
                &self.get(&format!("/restapis/{id}/stages"), "").await?,
                "item",
            ) {
                let deployment = text(&stage, "deploymentId");
                let path = format!("/restapis/{id}/deployments/{deployment}");
                let deployed = self.get(&path, "embed=apisummary").await?;
                let apis = deployed_methods(&deployed);
                push(
                    &mut groups,
                    group(&id, &name, &text(&stage, "stageName"), apis),
                )?;
            }
        }
        for api in self
            .pages("/v2/apis", "items", "nextToken", "nextToken")
            .await?
        {
            if text(&api, "protocolType") != "HTTP" {
                continue;
            }
            let (id, name) = (text(&api, "apiId"), text(&api, "name"));
            let routes = self
                .pages(
                    &format!("/v2/apis/{id}/routes"),
                    "items",
                    "nextToken",
                    "nextToken",
                )
                .await?;
            let apis: BTreeSet<GroupApi> = routes.iter().filter_map(route).collect();
            let stages = self
                .pages(
                    &format!("/v2/apis/{id}/stages"),
                    "items",
                    "nextToken",
                    "nextToken",
                )
                .await?;
            for stage in stages {
                push(
                    &mut groups,
                    group(&id, &name, &text(&stage, "stageName"), apis.clone()),
                )?;
            }
        }
        groups.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(ApiGroups { api_groups: groups })
    }

    /// Every page of a list.
    async fn pages(
        &self,
        path: &str,
        items: &str,
        parameter: &str,
        cursor: &str,
    ) -> Result<Vec<Value>, NotFound> {
        let mut all = Vec::new();
        let mut query = String::new();
        loop {
            let page = self.get(path, &query).await?;
            all.extend(list(&page, items));
            let next = text(&page, cursor);
            if all.len() > MAX_APIS {
                return Err(NotFound::TooMany);
            }
            if next.is_empty() {
                return Ok(all);
            }
            query = format!("{parameter}={}", utf8_percent_encode(&next, QUERY));
        }
    }

    async fn get(&self, path: &str, query: &str) -> Result<Value, NotFound> {
        let DiscoverySettings {
            credentials,
            region,
            endpoint,
        } = &self.settings;
        let host = endpoint.split_once("://").map_or("", |(_, host)| host);
        let url = match query {
            "" => format!("{endpoint}{path}"),
            query => format!("{endpoint}{path}?{query}"),
        };
        let failed = |error: &dyn std::fmt::Display| NotFound::Call(error.to_string());
        let mut pause = PAUSE;
        for attempt in 1.. {
            tokio::time::sleep(pause).await;
            let request = Signable {
                method: "GET",
                host,
                path,
                query,
                headers: &[],
                body: b"",
                region,
                service: "apigateway",
                now: self.clock.unix_now(),
            };
            let added = signature(&request, credentials);
            let mut request = HttpRequest::get(&url)
                .and_then(|request| request.header("accept", "application/json"))
                .map_err(|error| failed(&error))?;
            for (name, value) in added {
                request = request
                    .header(name, &value)
                    .map_err(|error| failed(&error))?;
            }
            let answer = self.http.send(request, CALL_TIME, MAX_ANSWER_BYTES).await;
            let answer = answer.map_err(|error| failed(&error))?;
            match answer.status {
                200 => {
                    return serde_json::from_slice(&answer.body)
                        .map_err(|_| NotFound::Call("an answer that is no JSON".to_owned()));
                }
                429 | 500..=599 if attempt < TRIES => pause *= 4,
                status => return Err(NotFound::Status(status)),
            }
        }
        Err(NotFound::TooLong)
    }
}

fn push(groups: &mut Vec<ApiGroup>, group: ApiGroup) -> Result<(), NotFound> {
    groups.push(group);
    let apis: usize = groups.iter().map(|group| group.apis.len()).sum();
    if groups.len() > MAX_GROUPS || apis > MAX_APIS {
        return Err(NotFound::TooMany);
    }
    Ok(())
}

fn group(id: &str, name: &str, stage: &str, apis: BTreeSet<GroupApi>) -> ApiGroup {
    ApiGroup {
        id: format!("aws:{id}:{stage}"),
        name: format!("{name} ({stage})"),
        metadata: ApiGroupMetadata {
            kind: "aws".to_owned(),
            aws: Some(AwsApi {
                api_id: id.to_owned(),
                api_name: name.to_owned(),
                stage: stage.to_owned(),
            }),
        },
        apis: apis.into_iter().collect(),
    }
}

/// What is live on a stage: the summary of its deployment. Preflight requests are nobody's to decide.
fn deployed_methods(deployment: &Value) -> BTreeSet<GroupApi> {
    let mut apis = BTreeSet::new();
    let paths = deployment.get("apiSummary").and_then(Value::as_object);
    for (path, methods) in paths.into_iter().flatten() {
        for method in methods
            .as_object()
            .into_iter()
            .flat_map(|methods| methods.keys())
        {
            if method != "OPTIONS" {
                apis.insert(api(method, path));
            }
        }
    }
    apis
}

/// A route of an HTTP API: `GET /pets/{petId}`, `ANY /x`, or `$default` for all that is left.
fn route(route: &Value) -> Option<GroupApi> {
    let key = text(route, "routeKey");
    if key == "$default" {
        return Some(api("ANY", "/{proxy+}"));
    }
    let (method, path) = key.split_once(' ')?;
    (method != "OPTIONS").then(|| api(method, path))
}

fn api(method: &str, path: &str) -> GroupApi {
    GroupApi {
        api_type: "rest".to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
    }
}

fn text(value: &Value, name: &str) -> String {
    value
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// The items of a page: a list, or one item by itself, which some answers have.
fn list(page: &Value, name: &str) -> Vec<Value> {
    match page.get(name) {
        Some(Value::Array(items)) => items.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    }
}
