//! Turns drafts into the files of a policy directory, which is what is compiled and deployed.

use std::collections::BTreeMap;

use portcullis_store::{Draft, DraftKind, Id};
use serde_json::{Map, Value, json};

use super::resources::{
    AccessControl, ApiOperation, ApiServer, ExternalOAuthServer, MatchType, PathKind, PathPattern,
    PolicyFile, Reference, read,
};
use super::yaml;
use crate::error::{ApiError, Detail};

/// Keys of a service that members of PingOne's JSON stand for.
const SERVICE_KEYS: [&str; 4] = ["name", "base_urls", "tokens", "operations"];
/// The same of an operation.
const OPERATION_KEYS: [&str; 3] = ["name", "methods", "paths"];
/// The same of a token issuer.
const ISSUER_KEYS: [&str; 4] = ["issuer", "audiences", "any_audience", "leeway"];
/// Keys that name custom policies.
const POLICY_KEYS: [&str; 2] = ["policy", "response_policy"];

/// The drafts of a moment, by what they are.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    pub(crate) services: BTreeMap<String, ApiServer>,
    pub(crate) operations: BTreeMap<String, Vec<ApiOperation>>,
    pub(crate) external: BTreeMap<String, ExternalOAuthServer>,
    pub(crate) policies: Vec<PolicyFile>,
}

impl Drafts {
    /// Reads stored drafts.
    pub(crate) fn read(drafts: Vec<Draft>) -> Result<Self, ApiError> {
        let mut all = Self::default();
        for draft in drafts {
            let id = draft.id.as_str().to_owned();
            match draft.kind {
                DraftKind::ApiService => {
                    all.services.insert(id, read(draft.body)?.0);
                }
                DraftKind::Operation => {
                    let parent = draft.parent.map(|id| id.as_str().to_owned());
                    let of = all.operations.entry(parent.unwrap_or_default());
                    of.or_default().push(read(draft.body)?.0);
                }
                DraftKind::ExternalOAuthServer => {
                    all.external.insert(id, read(draft.body)?.0);
                }
                DraftKind::Policy => all.policies.push(read(draft.body)?.0),
                _ => {}
            }
        }
        Ok(all)
    }

    /// The file of a service with its operations; `None` where there is no such service.
    pub(crate) fn service_file(&self, id: &Id) -> Result<Option<String>, ApiError> {
        let Some(service) = self.services.get(id.as_str()) else {
            return Ok(None);
        };
        let operations = self.operations.get(id.as_str());
        let operations = operations.map(Vec::as_slice).unwrap_or_default();
        let document = service_document(service, operations, &self.external)?;
        Ok(Some(yaml::write(&document)))
    }
}

/// Where the file of an API service is in a policy directory.
pub(crate) fn service_path(id: &Id) -> String {
    format!("services/{id}.yaml")
}

/// The file of an API service.
pub(crate) fn service_document(
    service: &ApiServer,
    operations: &[ApiOperation],
    external: &BTreeMap<String, ExternalOAuthServer>,
) -> Result<Value, ApiError> {
    let mut document = Map::new();
    document.insert("name".to_owned(), json!(service.name));
    if !service.base_urls.is_empty() {
        document.insert("base_urls".to_owned(), json!(service.base_urls));
    }
    if let Some(server) = &service.authorization_server {
        let id = &server.external.id;
        let found = external.get(id).ok_or_else(|| {
            let detail = Detail::value("there is no external OAuth server of this id");
            ApiError::invalid_data(vec![
                detail.at("authorizationServer.externalOAuthServer.id"),
            ])
        })?;
        let audience = match (&server.external.audience, server.external.any_audience) {
            (Some(audience), false) => Some(audience.as_str()),
            (None, true) => None,
            _ => {
                let detail = Detail::value("expected either audience, or anyAudience: true");
                return Err(ApiError::invalid_data(vec![
                    detail.at("authorizationServer.externalOAuthServer.audience"),
                ]));
            }
        };
        let tokens = token_documents(found, audience)?;
        document.insert("tokens".to_owned(), tokens);
    }
    let custom = service.access_control.as_ref();
    let no_policies = custom.is_some_and(|control| !control.custom.enabled);
    extend(&mut document, &service.portcullis, &SERVICE_KEYS)?;
    let mut list = Vec::new();
    for operation in operations {
        list.push(operation_document(operation)?);
    }
    let names_policy =
        |one: &Map<String, Value>| POLICY_KEYS.iter().any(|key| one.contains_key(*key));
    if no_policies && (names_policy(&document) || list.iter().any(names_policy)) {
        let detail = Detail::value("custom policies are switched off, and a policy is named");
        return Err(ApiError::invalid_data(vec![
            detail.at("accessControl.custom.enabled"),
        ]));
    }
    if !list.is_empty() {
        document.insert("operations".to_owned(), json!(list));
    }
    Ok(Value::Object(document))
}

/// The token issuers that an external authorization server stands for, with the audience that tokens must have;
/// `None` for any.
pub(crate) fn token_documents(
    server: &ExternalOAuthServer,
    audience: Option<&str>,
) -> Result<Value, ApiError> {
    let validation = server.validation.as_ref();
    let leeway = validation.and_then(|one| one.clock_skew_tolerance);
    let mut tokens = Vec::new();
    for issuer in &server.issuers {
        let mut token = Map::new();
        token.insert("issuer".to_owned(), json!(issuer));
        match audience {
            Some(audience) => token.insert("audiences".to_owned(), json!([audience])),
            None => token.insert("any_audience".to_owned(), json!(true)),
        };
        if let Some(leeway) = leeway {
            token.insert("leeway".to_owned(), json!(leeway));
        }
        if !server.portcullis.contains_key("profile") {
            // RFC 9068 is what few servers follow; PingOne's own rules are those of this profile.
            token.insert("profile".to_owned(), json!("generic"));
        }
        extend(&mut token, &server.portcullis, &ISSUER_KEYS)?;
        tokens.push(token);
    }
    Ok(json!(tokens))
}

fn operation_document(operation: &ApiOperation) -> Result<Map<String, Value>, ApiError> {
    let mut document = Map::new();
    document.insert("name".to_owned(), json!(operation.name));
    if let Some(methods) = &operation.methods {
        document.insert("methods".to_owned(), json!(methods));
    }
    let paths = operation
        .paths
        .iter()
        .map(pattern)
        .collect::<Result<Vec<_>, _>>()?;
    document.insert("paths".to_owned(), json!(paths));
    let mut rules = operation
        .access_control
        .as_ref()
        .map(rules)
        .unwrap_or_default();
    let mut others = operation.portcullis.clone();
    if let Some(more) = others.shift_remove("rules") {
        let Value::Object(more) = more else {
            let detail = Detail::value("expected an object");
            return Err(ApiError::invalid_data(vec![detail.at("portcullis.rules")]));
        };
        let taken: Vec<String> = rules.keys().cloned().collect();
        let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
        extend(&mut rules, &more, &taken)?;
    }
    if !rules.is_empty() {
        document.insert("rules".to_owned(), Value::Object(rules));
    }
    extend(&mut document, &others, &OPERATION_KEYS)?;
    Ok(document)
}

/// A path as a policy directory has it: in an exact one nothing stands for anything else.
fn pattern(path: &PathPattern) -> Result<String, ApiError> {
    let refuse = |message: &str| ApiError::invalid_data(vec![Detail::value(message).at("paths")]);
    match path.kind {
        PathKind::Parameter if path.pattern.contains(['*', '{']) => Ok(path.pattern.clone()),
        PathKind::Parameter => Err(refuse(
            "a PARAMETER path has a wildcard or a parameter; without one, it is EXACT",
        )),
        PathKind::Exact => {
            let mut text = String::with_capacity(path.pattern.len());
            for character in path.pattern.chars() {
                if matches!(character, '*' | '{' | '}') {
                    text.push('\\');
                }
                text.push(character);
            }
            Ok(text)
        }
    }
}

fn rules(control: &AccessControl) -> Map<String, Value> {
    let names =
        |list: &[Reference]| -> Value { list.iter().map(|one| one.name.as_str()).collect() };
    let mut rules = Map::new();
    if let Some(scope) = &control.scope {
        let which = match scope.match_type {
            MatchType::Any => "any_of",
            MatchType::All => "all_of",
        };
        rules.insert("scopes".to_owned(), json!({ which: names(&scope.scopes) }));
    }
    if let Some(group) = &control.group {
        rules.insert(
            "groups".to_owned(),
            json!({ "any_of": names(&group.groups) }),
        );
    }
    if let Some(permission) = &control.permission {
        rules.insert("permission".to_owned(), json!(permission.name));
    }
    if let Some(authentication) = &control.authentication {
        let mut rule = Map::new();
        if !authentication.acrs.is_empty() {
            rule.insert("acr_values".to_owned(), names(&authentication.acrs));
        }
        if let Some(max_age) = authentication.max_age {
            rule.insert("max_age".to_owned(), json!(max_age));
        }
        rules.insert("authentication".to_owned(), Value::Object(rule));
    }
    rules
}

/// Adds the keys of a member `portcullis`, of which none may say again what is said elsewhere.
fn extend(
    document: &mut Map<String, Value>,
    more: &Map<String, Value>,
    taken: &[&str],
) -> Result<(), ApiError> {
    for (key, value) in more {
        if taken.contains(&key.as_str()) {
            let detail = Detail::value("another member of this resource says this");
            let target = format!("portcullis.{key}");
            return Err(ApiError::invalid_data(vec![detail.at(&target)]));
        }
        document.insert(key.clone(), value.clone());
    }
    Ok(())
}

/// The same without the names of custom policies, which are found when it is deployed.
pub(crate) fn without_policies(document: &mut Value) {
    let Some(members) = document.as_object_mut() else {
        return;
    };
    for key in POLICY_KEYS {
        members.shift_remove(key);
    }
    if let Some(Value::Array(operations)) = members.get_mut("operations") {
        operations.iter_mut().for_each(without_policies);
    }
}

/// The name of a policy file is one path segment that a policy directory reads.
pub(crate) fn check_policy_name(policy: &PolicyFile) -> Result<(), ApiError> {
    let name = &policy.name;
    let known = ["yaml", "yml", "rego", "cedar"];
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain && !name.starts_with('.') && extension.is_some_and(|one| known.contains(&one)) {
        return Ok(());
    }
    let detail = Detail::value(
        "expected letters, digits, hyphens, underscores and dots, ending in .yaml, .rego or .cedar",
    );
    Err(ApiError::invalid_data(vec![detail.at("name")]))
}

/// The directory path of a policy file.
pub(crate) fn policy_path(policy: &PolicyFile) -> String {
    format!("policies/{}", policy.name)
}
