//! The configuration of a gateway, made from the current deployment: what is edited and not deployed is not in it,
//! and a deployment that goes back takes the configuration back as well.
//!
//! What the protocol cannot say is denied: an operation with other rules than a policy has a policy that denies, and
//! where a path or the tokens of a service cannot be said, every API of the service has it.

use std::collections::{BTreeMap, HashMap};

use portcullis_cloudentity::{Api, GatewayConfiguration, Policy, Service, path_patterns};
use portcullis_store::{ApiGroup, CloudentityGateway, DraftKind, Id, Workspace};
use serde_json::{Map, Value};

use super::binding::discovered;
use super::policy_text::{to_policy, unsayable};
use super::refusal::Refusal;
use crate::management::resources::{ExternalOAuthServer, read};
use crate::management::sources::service_path;
use crate::secret::sha256;

/// Most events a second that gateways are asked for.
const EVENTS_PER_SECOND: u64 = 100;
/// Keys of a service that the protocol can say, or that say nothing of who may call.
const SERVICE_KEYS: [&str; 7] = [
    "name",
    "base_urls",
    "aws",
    "order",
    "unmatched",
    "tokens",
    "operations",
];
/// The same of an operation.
const OPERATION_KEYS: [&str; 6] = ["name", "methods", "paths", "policy", "token", "public"];
/// The method of an API that takes every one.
const ANY: &str = "ANY";

/// A configuration, and what its APIs are here.
pub(super) struct Configured {
    pub(super) configuration: GatewayConfiguration,
    /// The names of service and operation by the id of the API.
    pub(super) names: HashMap<String, (String, String)>,
}

/// The configuration of a gateway at the moment of that workspace.
pub(super) fn configuration(
    workspace: &Workspace,
    gateway: &CloudentityGateway,
    tenant: &str,
) -> Result<Configured, Refusal> {
    let issuer = issuer_url(workspace, &gateway.server_id)?;
    let mut maker = Maker {
        workspace,
        tenant,
        server: gateway.server_id.as_str(),
        issuer: &issuer,
        policies: BTreeMap::new(),
        made: Configured {
            configuration: GatewayConfiguration {
                tenant_id: tenant.to_owned(),
                server_id: gateway.server_id.as_str().to_owned(),
                issuer_url: issuer.clone(),
                events_per_second: EVENTS_PER_SECOND,
                ..GatewayConfiguration::default()
            },
            names: HashMap::new(),
        },
    };
    for group in &workspace.groups {
        if let Some(service) = group
            .service_id
            .as_ref()
            .filter(|_| group.gateway_id == gateway.gateway.id)
        {
            maker.service(group, service)?;
        }
    }
    let mut made = maker.made;
    made.configuration.policies = maker.policies.into_values().collect();
    Ok(made)
}

/// The issuer of an external authorization server; empty where there is none, which no token can name.
fn issuer_url(workspace: &Workspace, server: &Id) -> Result<String, Refusal> {
    let mut drafts = workspace.drafts.iter();
    let draft =
        drafts.find(|draft| draft.kind == DraftKind::ExternalOAuthServer && draft.id == *server);
    let Some(draft) = draft else {
        return Ok(String::new());
    };
    let (server, _) = read::<ExternalOAuthServer>(draft.body.clone())?;
    Ok(server.issuers.into_iter().next().unwrap_or_default())
}

struct Maker<'a> {
    workspace: &'a Workspace,
    tenant: &'a str,
    server: &'a str,
    issuer: &'a str,
    policies: BTreeMap<String, Policy>,
    made: Configured,
}

impl Maker<'_> {
    fn service(&mut self, group: &ApiGroup, id: &Id) -> Result<(), Refusal> {
        let path = service_path(id);
        let Some(document) = self.deployed(&path).and_then(|text| {
            let document: Value = serde_saphyr::from_str(text).ok()?;
            match document {
                Value::Object(members) => Some(members),
                _ => None,
            }
        }) else {
            return Ok(());
        };
        let metadata = discovered(group)?.metadata;
        let is_it = |one: &Value| {
            metadata.aws.as_ref().is_some_and(|aws| {
                one.get("api_id").and_then(Value::as_str) == Some(&aws.api_id)
                    && one.get("stage").and_then(Value::as_str) == Some(&aws.stage)
            })
        };
        if !items(&document, "aws").any(is_it) {
            return Ok(());
        }
        let name = text(&document, "name").unwrap_or_default().to_owned();
        let audience = self.audience(&document);
        let is_sayable = audience.is_some()
            && document
                .keys()
                .all(|key| SERVICE_KEYS.contains(&key.as_str()))
            && text(&document, "order") == Some("file")
            && matches!(text(&document, "unmatched"), None | Some("deny"));
        let operations: Vec<_> = items(&document, "operations").map(said).collect();
        let can_all = is_sayable && operations.iter().all(Option::is_some);
        let mut position = 0;
        for operation in operations.into_iter().flatten() {
            let policy = match (&operation.guard, can_all) {
                (Guard::Open, true) => String::new(),
                (Guard::Policy(file), true) => self.policy(file),
                _ => self.unsayable(),
            };
            let own = self.api_id(id, &operation.name);
            for (number, (method, path)) in operation.apis.iter().enumerate() {
                let api = match number {
                    0 => own.clone(),
                    number => format!("{own}.{number}"),
                };
                let names = (name.clone(), operation.name.clone());
                self.made.names.insert(api.clone(), names);
                self.made.configuration.apis.push(Api {
                    id: api,
                    api_type: "rest".to_owned(),
                    method: method.clone(),
                    path: path.clone(),
                    policy_id: policy.clone(),
                    position,
                    can_have_policy: true,
                    service_id: id.as_str().to_owned(),
                    server_id: self.server.to_owned(),
                    tenant_id: self.tenant.to_owned(),
                });
                position += 1;
            }
        }
        self.made.configuration.services.push(Service {
            id: id.as_str().to_owned(),
            name,
            kind: "oauth2".to_owned(),
            gateway_id: group.gateway_id.as_str().to_owned(),
            api_group_id: group.id.as_str().to_owned(),
            api_group_metadata: metadata,
            custom_audience: audience.unwrap_or_default(),
            authorization_server_id: self.server.to_owned(),
            tenant_id: self.tenant.to_owned(),
        });
        Ok(())
    }

    fn deployed(&self, path: &str) -> Option<&str> {
        let sources = &self.workspace.deployment.as_ref()?.sources;
        let file = sources.iter().find(|file| file.path == path)?;
        Some(&file.text)
    }

    /// The audience that the service asks for, empty for any; `None` where the protocol cannot say what it asks for.
    fn audience(&self, document: &Map<String, Value>) -> Option<String> {
        let mut tokens = items(document, "tokens");
        let token = tokens.find(|one| {
            !self.issuer.is_empty()
                && one.get("issuer").and_then(Value::as_str) == Some(self.issuer)
        })?;
        let known = [
            "issuer",
            "audiences",
            "any_audience",
            "profile",
            "leeway",
            "introspection",
        ];
        let token = token.as_object()?;
        let generic = text(token, "profile") == Some("generic");
        if !generic || !token.keys().all(|key| known.contains(&key.as_str())) {
            return None;
        }
        let mut audiences = items(token, "audiences");
        match (audiences.next(), audiences.next()) {
            (None, _) => {
                let any = token.get("any_audience").and_then(Value::as_bool);
                any.unwrap_or(false).then(String::new)
            }
            (Some(one), None) => one.as_str().map(str::to_owned),
            _ => None,
        }
    }

    /// The id of an API: that of its operation's draft, or one that is made of names where that was renamed since.
    fn api_id(&self, service: &Id, name: &str) -> String {
        let mut drafts = self.workspace.drafts.iter();
        let draft = drafts.find(|draft| {
            draft.kind == DraftKind::Operation
                && draft.parent.as_ref() == Some(service)
                && draft.name.as_str() == name
        });
        draft.map_or_else(
            || derived(&format!("{service}\n{name}")),
            |draft| draft.id.as_str().to_owned(),
        )
    }

    /// The id of the policy that a file is.
    fn policy(&mut self, file: &str) -> String {
        let mut drafts = self.workspace.drafts.iter();
        let draft =
            drafts.find(|draft| draft.kind == DraftKind::Policy && draft.name.as_str() == file);
        let id = draft.map_or_else(|| derived(file), |draft| draft.id.as_str().to_owned());
        if !self.policies.contains_key(&id) {
            let Some(text) = self.deployed(&format!("policies/{file}")) else {
                return self.unsayable();
            };
            let policy = to_policy(&id, file, text);
            self.add(policy);
        }
        id
    }

    fn unsayable(&mut self) -> String {
        let policy = unsayable();
        let id = policy.id.clone();
        self.add(policy);
        id
    }

    fn add(&mut self, policy: Policy) {
        let policy = Policy {
            server_id: self.server.to_owned(),
            tenant_id: self.tenant.to_owned(),
            ..policy
        };
        self.policies.insert(policy.id.clone(), policy);
    }
}

fn derived(text: &str) -> String {
    let digest = sha256(text.as_bytes());
    let short: String = digest.as_str().chars().take(32).collect();
    format!("deployed-{short}")
}

fn text<'v>(members: &'v Map<String, Value>, key: &str) -> Option<&'v str> {
    members.get(key).and_then(Value::as_str)
}

fn items<'v>(members: &'v Map<String, Value>, key: &str) -> impl Iterator<Item = &'v Value> {
    let list = members.get(key).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// What guards an operation.
#[derive(Debug, PartialEq)]
enum Guard {
    Open,
    Policy(String),
    Unsayable,
}

/// An operation in the words of the protocol.
#[derive(Debug, PartialEq)]
struct Said {
    name: String,
    /// Methods and paths.
    apis: Vec<(String, String)>,
    guard: Guard,
}

/// `None` where its paths cannot be said.
fn said(operation: &Value) -> Option<Said> {
    let members = operation.as_object()?;
    let patterns: Vec<&str> = items(members, "paths")
        .map(Value::as_str)
        .collect::<Option<_>>()?;
    let paths = paths(&patterns)?;
    let methods: Vec<String> = match members.get("methods") {
        None => vec![ANY.to_owned()],
        Some(_) => items(members, "methods")
            .map(|one| one.as_str().map(str::to_owned))
            .collect::<Option<_>>()?,
    };
    let apis = methods.iter().flat_map(|method| {
        let pair = |path: &String| (method.clone(), path.clone());
        paths.iter().map(pair)
    });
    let public = members.get("public").map(Value::as_bool);
    let optional = text(members, "token") == Some("optional");
    let guard = match (public, text(members, "policy"), optional) {
        _ if !members
            .keys()
            .all(|key| OPERATION_KEYS.contains(&key.as_str())) =>
        {
            Guard::Unsayable
        }
        (Some(Some(true)), None, false) => Guard::Open,
        (None | Some(Some(false)), Some(policy), true) => Guard::Policy(policy.to_owned()),
        _ => Guard::Unsayable,
    };
    Some(Said {
        name: text(members, "name")?.to_owned(),
        apis: apis.collect(),
        guard,
    })
}

/// Patterns as paths of the protocol, each of which is read back to be sure that it means the same. A path of the protocol
/// stands for the one with `/` at its end as well, as API Gateway does not tell them apart.
fn paths(patterns: &[&str]) -> Option<Vec<String>> {
    if let [one, _] = patterns
        && let Some(before) = one.strip_suffix('*')
    {
        let path = format!("{before}.*");
        if path_patterns(&path).is_some_and(|read| read == patterns) {
            return Some(vec![path]);
        }
    }
    let mut paths = Vec::new();
    let mut said: Vec<String> = Vec::new();
    for pattern in patterns {
        if said.iter().any(|one| one == pattern) {
            continue;
        }
        let path = match pattern.strip_suffix("/**") {
            Some(before) => format!("{before}/{{proxy+}}"),
            None => (*pattern).to_owned(),
        };
        let read = path_patterns(&path)?;
        if read.first().is_none_or(|first| first != pattern) {
            return None;
        }
        said.extend(read);
        paths.push(path);
    }
    Some(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_come_back_as_they_went() {
        for path in ["/pets", "/", "/pets/{petId}", "/files/{proxy+}", "/test.*"] {
            let patterns = path_patterns(path).unwrap();
            let patterns: Vec<_> = patterns.iter().map(String::as_str).collect();
            assert_eq!(paths(&patterns), Some(vec![path.to_owned()]), "{path}");
        }
        assert_eq!(
            paths(&["/a", "/b", "/b/"]),
            Some(vec!["/a".to_owned(), "/b".to_owned()])
        );
        for patterns in [&["/a*"][..], &["/*/b"], &["/a\\*"], &["/a*", "/b*/**"]] {
            assert_eq!(paths(patterns), None, "{patterns:?}");
        }
    }

    #[test]
    fn what_guards_an_operation_is_said_in_full_or_denied() {
        let guard = |more: Value| {
            let mut operation = json!({ "name": "x", "paths": ["/a"] });
            let members = operation.as_object_mut().unwrap();
            members.extend(more.as_object().unwrap().clone());
            said(&operation).unwrap().guard
        };
        assert_eq!(guard(json!({ "public": true })), Guard::Open);
        let policy = Guard::Policy("p.yaml".to_owned());
        assert_eq!(
            guard(json!({ "policy": "p.yaml", "token": "optional" })),
            policy
        );
        for more in [
            json!({}),
            json!({ "policy": "p.yaml" }),
            json!({ "policy": "p.yaml", "token": "required" }),
            json!({ "policy": "p.yaml", "token": "optional", "public": true }),
            json!({ "public": false }),
            json!({ "public": "true" }),
            json!({ "public": true, "rules": {} }),
            json!({ "policy": "p.yaml", "token": "optional", "statements": [] }),
        ] {
            assert_eq!(guard(more.clone()), Guard::Unsayable, "{more}");
        }
    }
}
