//! Reads what `PingOne`'s management API answers with and makes drafts of it, which keep their ids.
//!
//! PingOne refers to groups, scopes, permissions and authentication policies by ids, and tokens carry names. The
//! names come from a map that the user writes, and from lists of them among the answers.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_engine::SourceFile;
use portcullis_store::{Id, NewDraft};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::resources::{ApiOperation, ApiServer, ExternalOAuthServer, Resource, body, read};
use super::sources::service_document;
use super::yaml;
use crate::error::ApiError;

/// The id of the authorization server that stands for PingOne itself.
const PINGONE: &str = "pingone";
/// Most levels of answers in one another.
const MAX_DEPTH: usize = 8;

/// What ids stand for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// The issuer of PingOne's own tokens: `https://auth.pingone.REGION/ENVIRONMENT/as`.
    pub issuer: Option<String>,
    /// The audience of each custom resource by its id.
    #[serde(default)]
    pub resources: BTreeMap<String, String>,
    /// The name of each group by its id, as tokens carry it.
    #[serde(default)]
    pub groups: BTreeMap<String, String>,
    /// The name of each scope by its id.
    #[serde(default)]
    pub scopes: BTreeMap<String, String>,
    /// The key of each permission by its id, such as `accounts:read`.
    #[serde(default)]
    pub permissions: BTreeMap<String, String>,
    /// The `acr` of each authentication policy by its id.
    #[serde(default)]
    pub authentication_policies: BTreeMap<String, String>,
    /// Where PingOne's tokens carry groups and permissions: the key `claims` of a token issuer.
    #[serde(default)]
    pub claims: Map<String, Value>,
}

/// Why nothing was imported: everything that is wrong, each with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct InvalidExport(pub Vec<String>);

/// What an import came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// Parents stand before what is below them.
    pub drafts: Vec<NewDraft>,
    /// The same as files of a policy directory.
    pub files: Vec<SourceFile>,
    /// What is other than in PingOne and needs a look.
    pub warnings: Vec<String>,
}

impl Names {
    /// Reads a YAML document; the error says where.
    pub fn parse(text: &str) -> Result<Self, InvalidExport> {
        serde_saphyr::from_str(text).map_err(|error| InvalidExport(vec![error.to_string()]))
    }
}

/// Makes drafts of answers of PingOne's management API: of `/apiServers`, of `/apiServers/{id}/operations` for
/// each, of `/externalOAuthServers`, and of any list that has names. Each document comes with the name of its file.
pub fn import(documents: &[(String, Value)], names: &Names) -> Result<Import, InvalidExport> {
    let mut reader = Reader {
        names: names.clone(),
        ..Reader::default()
    };
    for (file, document) in documents {
        reader.collect(file, document, None, MAX_DEPTH);
    }
    reader.finish()
}

/// An object of an answer with the file it was in.
type Found = (String, Map<String, Value>);

#[derive(Default)]
struct Reader {
    names: Names,
    servers: BTreeMap<String, Found>,
    operations: BTreeMap<String, Found>,
    external: BTreeMap<String, Found>,
    uses_pingone: bool,
    warnings: Vec<String>,
    problems: Vec<String>,
}

impl Reader {
    /// Takes what an answer holds: one resource or lists of them.
    fn collect(&mut self, file: &str, document: &Value, collection: Option<&str>, depth: usize) {
        let Some(members) = document.as_object() else {
            let problem =
                format!("{file}: expected an answer of the management API, a JSON object");
            self.problems.push(problem);
            return;
        };
        if depth == 0 {
            self.problems.push(format!("{file}: nested too deep"));
            return;
        }
        if let Some(embedded) = members.get("_embedded").and_then(Value::as_object) {
            for (collection, items) in embedded {
                for item in items.as_array().into_iter().flatten() {
                    self.collect(file, item, Some(collection), depth - 1);
                }
            }
        }
        let Some(id) = members.get("id").and_then(Value::as_str) else {
            return;
        };
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let found = || (file.to_owned(), members.clone());
        let name_in = |map: &mut BTreeMap<String, String>, name: Option<String>| {
            if let Some(name) = name {
                // What the user wrote counts more.
                map.entry(id.to_owned()).or_insert(name);
            }
        };
        match collection.or_else(|| kind_of(members)) {
            Some("apiServers") => drop(self.servers.insert(id.to_owned(), found())),
            Some("operations") => drop(self.operations.insert(id.to_owned(), found())),
            Some("externalOAuthServers") => drop(self.external.insert(id.to_owned(), found())),
            Some("groups") => name_in(&mut self.names.groups, text("name")),
            Some("scopes") => name_in(&mut self.names.scopes, text("name")),
            Some("permissions") => name_in(&mut self.names.permissions, text("key")),
            Some("signOnPolicies") => {
                name_in(&mut self.names.authentication_policies, text("name"));
            }
            Some("resources") => {
                name_in(
                    &mut self.names.resources,
                    text("audience").or_else(|| text("name")),
                );
            }
            _ => {}
        }
    }

    fn finish(mut self) -> Result<Import, InvalidExport> {
        if self.servers.is_empty() {
            self.problems.push(
                "there is no API service in the files; expected answers of /apiServers".to_owned(),
            );
        }
        let mut services = BTreeMap::new();
        for (id, (file, members)) in std::mem::take(&mut self.servers) {
            if let Some(service) = self.service(&format!("{file}: API service {id}"), members) {
                services.insert(id, service);
            }
        }
        let mut operations: BTreeMap<String, Vec<(String, ApiOperation)>> = BTreeMap::new();
        for (id, (file, members)) in std::mem::take(&mut self.operations) {
            let place = format!("{file}: operation {id}");
            match parent(&members) {
                Some(parent) if services.contains_key(&parent) => {
                    if let Some(operation) = self.operation(&place, members) {
                        operations.entry(parent).or_default().push((id, operation));
                    }
                }
                Some(parent) => self.problems.push(format!(
                    "{place}: its API service {parent} is not in the files"
                )),
                None => self
                    .problems
                    .push(format!("{place}: expected `_links` that say whose it is")),
            }
        }
        let mut external = BTreeMap::new();
        for (id, (file, members)) in std::mem::take(&mut self.external) {
            if let Some(server) =
                self.server(&format!("{file}: external OAuth server {id}"), members)
            {
                external.insert(id, server);
            }
        }
        if let Some(server) = self.pingone() {
            external.insert(PINGONE.to_owned(), server);
        }
        let (drafts, files) = self.drafts(&services, &operations, &external);
        if self.problems.is_empty() {
            Ok(Import {
                drafts,
                files,
                warnings: self.warnings,
            })
        } else {
            Err(InvalidExport(self.problems))
        }
    }

    fn service(&mut self, place: &str, mut members: Map<String, Value>) -> Option<ApiServer> {
        let kind = members
            .get("authorizationServer")
            .and_then(|one| one.get("type"));
        if kind.and_then(Value::as_str) == Some("PINGONE_SSO") {
            self.uses_pingone = true;
            let resource = members
                .get("authorizationServer")
                .and_then(|one| one.pointer("/resource/id"));
            let resource = resource.and_then(Value::as_str).unwrap_or_default();
            let audience = self.names.resources.get(resource).cloned();
            if audience.is_none() {
                self.problems.push(format!("{place}: the audience of the resource {resource} is not known; write it under `resources` in the names"));
            }
            let server = json!({ "type": "EXTERNAL", "externalOAuthServer": { "id": PINGONE, "audience": audience.unwrap_or_default() } });
            members.insert("authorizationServer".to_owned(), server);
        }
        members.shift_remove("directory");
        if members
            .get("accessControl")
            .and_then(|one| one.pointer("/custom/enabled"))
            == Some(&Value::Bool(true))
        {
            self.warnings.push(format!(
                "{place}: its custom policies are not part of the export; write them anew"
            ));
        }
        // As PingOne does it: what no operation covers needs a valid token only.
        members.insert("portcullis".to_owned(), json!({ "unmatched": "token" }));
        self.warnings.push(format!("{place}: as in PingOne, any valid token opens what no operation covers (`unmatched: token`)"));
        self.typed(place, members)
    }

    fn operation(&mut self, place: &str, mut members: Map<String, Value>) -> Option<ApiOperation> {
        if let Some(control) = members.get_mut("accessControl") {
            let names = &self.names;
            for (pointer, kind, map) in [
                ("/group/groups", "groups", &names.groups),
                ("/scope/scopes", "scopes", &names.scopes),
                ("/permission", "permissions", &names.permissions),
                (
                    "/authentication/acrs",
                    "authentication_policies",
                    &names.authentication_policies,
                ),
            ] {
                let references = match control.pointer_mut(pointer) {
                    None => continue,
                    Some(Value::Array(list)) => list.iter_mut().collect(),
                    Some(one) => vec![one],
                };
                for reference in references {
                    if let Some(problem) = resolve(reference, kind, map) {
                        self.problems.push(format!("{place}: {problem}"));
                    }
                }
            }
            if control.as_object().is_some_and(Map::is_empty) {
                members.shift_remove("accessControl");
            }
        }
        if members.get("methods").is_some_and(Value::is_null) {
            members.shift_remove("methods");
        }
        self.typed(place, members)
    }

    fn server(
        &mut self,
        place: &str,
        mut members: Map<String, Value>,
    ) -> Option<ExternalOAuthServer> {
        if let Some(Value::Object(validation)) = members.get_mut("validation") {
            let left_out: Vec<String> = validation
                .keys()
                .filter(|key| *key != "clockSkewTolerance")
                .cloned()
                .collect();
            for key in left_out {
                validation.shift_remove(&key);
                self.warnings.push(format!("{place}: validation.{key} is left out; its keys are found by discovery, from the issuer"));
            }
        }
        self.typed(place, members)
    }

    /// The authorization server that stands for PingOne itself, where a service trusts it.
    fn pingone(&mut self) -> Option<ExternalOAuthServer> {
        if !self.uses_pingone {
            return None;
        }
        let Some(issuer) = self.names.issuer.clone() else {
            self.problems.push("PingOne's own tokens are accepted, and `issuer` is not in the names: expected https://auth.pingone.REGION/ENVIRONMENT/as".to_owned());
            return None;
        };
        let mut settings = Map::new();
        if !self.names.claims.is_empty() {
            settings.insert(
                "claims".to_owned(),
                Value::Object(self.names.claims.clone()),
            );
        }
        let members = json!({ "name": "PingOne", "type": "EXTERNAL", "issuers": [issuer], "portcullis": settings });
        let members = members.as_object().cloned().unwrap_or_default();
        self.typed("names: issuer", members)
    }

    fn typed<R: Resource>(&mut self, place: &str, members: Map<String, Value>) -> Option<R> {
        match read::<R>(Value::Object(members)) {
            Ok((resource, _)) => Some(resource),
            Err(error) => {
                self.problems.push(format!("{place}: {error}"));
                None
            }
        }
    }

    fn drafts(
        &mut self,
        services: &BTreeMap<String, ApiServer>,
        operations: &BTreeMap<String, Vec<(String, ApiOperation)>>,
        external: &BTreeMap<String, ExternalOAuthServer>,
    ) -> (Vec<NewDraft>, Vec<SourceFile>) {
        let (mut drafts, mut files, mut paths) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (id, server) in external {
            self.push(&mut drafts, id, None, server);
        }
        for (id, service) in services {
            self.push(&mut drafts, id, None, service);
            let below = operations.get(id).map(Vec::as_slice).unwrap_or_default();
            for (operation_id, operation) in below {
                self.push(&mut drafts, operation_id, Some(id), operation);
            }
            let below: Vec<ApiOperation> = below.iter().map(|(_, one)| one.clone()).collect();
            match service_document(service, &below, external) {
                Ok(document) => {
                    let mut path = format!("services/{}.yaml", slug(&service.name));
                    if !paths.insert(path.clone()) {
                        path = format!("services/{id}.yaml");
                        paths.insert(path.clone());
                    }
                    files.push(SourceFile {
                        path,
                        text: yaml::write(&document),
                    });
                }
                Err(error) => self.problems.push(format!("API service {id}: {error}")),
            }
        }
        (drafts, files)
    }

    fn push<R: Resource>(
        &mut self,
        drafts: &mut Vec<NewDraft>,
        id: &str,
        parent: Option<&str>,
        resource: &R,
    ) {
        match draft(id, parent, resource) {
            Ok(draft) => drafts.push(draft),
            Err(error) => self.problems.push(format!("{id}: {error}")),
        }
    }
}

fn draft<R: Resource>(id: &str, parent: Option<&str>, resource: &R) -> Result<NewDraft, ApiError> {
    let id_of = |text: &str| {
        text.parse::<Id>()
            .map_err(|error| ApiError::invalid_request(error.to_string()))
    };
    Ok(NewDraft {
        id: id_of(id)?,
        kind: R::KIND,
        parent: parent.map(id_of).transpose()?,
        name: resource
            .name()
            .parse()
            .map_err(|_| ApiError::invalid_request("its name cannot be stored"))?,
        body: body(resource)?,
    })
}

/// What one resource is that is an answer by itself.
fn kind_of(members: &Map<String, Value>) -> Option<&'static str> {
    if members.contains_key("baseUrls") {
        Some(ApiServer::COLLECTION)
    } else if members.contains_key("paths") {
        Some(ApiOperation::COLLECTION)
    } else if members.contains_key("issuers") {
        Some(ExternalOAuthServer::COLLECTION)
    } else {
        None
    }
}

/// Whose operation it is, from its links.
fn parent(members: &Map<String, Value>) -> Option<String> {
    let text = |name: &str, pointer: &str| members.get(name)?.pointer(pointer)?.as_str();
    if let Some(id) = text("apiServer", "/id") {
        return Some(id.to_owned());
    }
    let link = text("_links", "/apiServer/href").or_else(|| text("_links", "/self/href"))?;
    let (_, rest) = link.split_once("/apiServers/")?;
    let id = rest.split(['/', '?']).next()?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// Gives a reference the name of its id; says what is wrong where that is not known.
fn resolve(reference: &mut Value, kind: &str, names: &BTreeMap<String, String>) -> Option<String> {
    let members = reference.as_object_mut()?;
    members.retain(|key, _| ["id", "name", "type"].contains(&key.as_str()));
    if members.contains_key("name") {
        return None;
    }
    let id = members
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    match names.get(&id) {
        Some(name) => {
            members.insert("name".to_owned(), json!(name));
            None
        }
        None => Some(format!(
            "the name of {id} is not known; write it under `{kind}` in the names"
        )),
    }
}

/// A file name out of a name.
fn slug(name: &str) -> String {
    let text: String = name
        .chars()
        .map(|one| {
            if one.is_ascii_alphanumeric() {
                one.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let parts: Vec<&str> = text.split('-').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        "service".to_owned()
    } else {
        parts.join("-")
    }
}
