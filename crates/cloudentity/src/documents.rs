//! A configuration as the documents of a policy directory, which is what is compiled.
//!
//! Nothing that cannot be understood opens anything: an API whose policy is not usable denies with the reason, one
//! whose path is not leaves its service without open doors, and everything else goes on.

use std::collections::{HashMap, HashSet};

use portcullis_model::Method;
use serde_json::{Map, Value, json};

use crate::configuration::{Api, GatewayConfiguration, Policy, PolicyLanguage, Service};
use crate::paths::patterns;

/// The extension of the documents that stand for policies which cannot be used; their text says why.
pub const DOCUMENT_EXTENSION: &str = "unusable";

/// Why a policy in Rego is not usable where there is nothing to run it.
const NO_REGO: &str = "Rego is not built into this function: deploy bootstrap-rego in its place";

/// How to convert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConvertOptions {
    /// Whether requests are let through that are for a bound service and for no API of it
    /// (`ENFORCEMENT_ALLOW_UNKNOWN`).
    pub allow_unknown: bool,
    /// Whether policies in Rego can be compiled here.
    pub rego: bool,
    /// Where opaque tokens are asked about; `None` leaves them unknown.
    pub introspection_endpoint: Option<String>,
}

/// A document of a policy directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its path.
    pub path: String,
    /// What is in it: an object of a YAML file, or the text of any other.
    pub document: Value,
}

/// An API of the configuration, by the service and the operation that stand for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRef {
    /// The id of the API.
    pub api_id: String,
    /// The id of its policy; empty for none.
    pub policy_id: String,
}

/// A policy that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy {name:?} ({id}) cannot be used: {reason}; every API that has it is denied")]
pub struct PolicyProblem {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What turned out not to compile, each with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unusable {
    /// Policies by their id: the APIs that have them are denied.
    pub policies: HashMap<String, String>,
    /// Services by their id: every request to them is denied.
    pub services: HashMap<String, String>,
}

/// What a configuration became.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Converted {
    /// The documents.
    pub documents: Vec<Document>,
    /// Which API each operation stands for, by the names of service and operation.
    pub apis: HashMap<(String, String), ApiRef>,
    /// The id of the policy that each document below `policies/` stands for.
    pub policies: HashMap<String, String>,
    /// The id of the service that each document below `services/` stands for.
    pub services: HashMap<String, String>,
    /// What could not be taken over as it is.
    pub warnings: Vec<String>,
}

impl GatewayConfiguration {
    /// The documents of this configuration. Policies that are known to be unusable are left out, with what is
    /// said about them.
    #[must_use]
    pub fn convert(&self, options: &ConvertOptions, unusable: &Unusable) -> Converted {
        let mut converter = Converter {
            configuration: self,
            options,
            unusable,
            policies: self
                .policies
                .iter()
                .map(|one| (one.id.as_str(), one))
                .collect(),
            files: HashMap::new(),
            file_count: 0,
            names: HashSet::new(),
            twice: bound_twice(&self.services),
            denied: HashSet::new(),
            has_orphans: false,
            converted: Converted::default(),
        };
        let mut apis: HashMap<&str, Vec<&Api>> = HashMap::new();
        for api in &self.apis {
            apis.entry(&api.service_id).or_default().push(api);
        }
        let known: HashSet<&str> = self.services.iter().map(|one| one.id.as_str()).collect();
        let orphans = self
            .apis
            .iter()
            .filter(|api| !known.contains(api.service_id.as_str()));
        converter.note_orphans(orphans.count());
        for service in &self.services {
            let mut own = apis.get(service.id.as_str()).cloned().unwrap_or_default();
            own.sort_by_key(|api| api.position);
            converter.service(service, &own);
        }
        converter.converted
    }
}

/// The APIs and stages that more than one service is bound to: nobody can tell which of them counts.
fn bound_twice(services: &[Service]) -> HashSet<(&str, &str)> {
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for aws in services
        .iter()
        .filter_map(|one| one.api_group_metadata.aws.as_ref())
    {
        let key = (aws.api_id.as_str(), aws.stage.as_str());
        if !seen.insert(key) {
            twice.insert(key);
        }
    }
    twice
}

/// The paths that an API which cannot be read may cover, and why it cannot.
type Unreadable = (Vec<String>, String);

/// Every method.
const ANY: &str = "ANY";

fn method_of(api: &Api) -> String {
    match api.method.to_ascii_uppercase() {
        method if method.is_empty() || method == "*" => ANY.to_owned(),
        method => method,
    }
}

struct Converter<'a> {
    configuration: &'a GatewayConfiguration,
    options: &'a ConvertOptions,
    unusable: &'a Unusable,
    policies: HashMap<&'a str, &'a Policy>,
    /// The file of each policy that is named.
    files: HashMap<&'a str, String>,
    file_count: usize,
    names: HashSet<String>,
    /// The APIs and stages that are bound to more than one service, and those that are denied already.
    twice: HashSet<(&'a str, &'a str)>,
    denied: HashSet<(&'a str, &'a str)>,
    /// Whether there are APIs of no service.
    has_orphans: bool,
    converted: Converted,
}

impl<'a> Converter<'a> {
    fn service(&mut self, service: &'a Service, apis: &[&'a Api]) {
        let Some(aws) = &service.api_group_metadata.aws else {
            // Bound to another platform, or to nothing.
            return;
        };
        if aws.api_id.is_empty() || aws.stage.is_empty() {
            return;
        }
        let key = (aws.api_id.as_str(), aws.stage.as_str());
        let denied = match self.unusable.services.get(&service.id) {
            Some(reason) => Some(reason.clone()),
            None if self.twice.contains(&key) => {
                Some("more than one service is bound to its API and stage".to_owned())
            }
            None => None,
        };
        if denied.is_some() && !self.denied.insert(key) {
            return;
        }
        let name = self.name(service);
        let (operations, complete) = match &denied {
            Some(reason) => (self.denied_service(service, reason), false),
            None => self.operations(service, &name, apis),
        };
        // Where an API could not be read, what it guards must not be open for being unknown.
        let open = self.options.allow_unknown && complete && !self.has_orphans;
        if self.options.allow_unknown && !open {
            self.warn(format!(
                "service {:?}: unknown requests are denied, because not every API could be read",
                service.name
            ));
        }
        let mut document = Map::new();
        document.insert("name".to_owned(), json!(name));
        document.insert(
            "aws".to_owned(),
            json!([{ "api_id": aws.api_id, "stage": aws.stage }]),
        );
        document.insert("order".to_owned(), json!("file"));
        document.insert(
            "unmatched".to_owned(),
            json!(if open { "open" } else { "deny" }),
        );
        document.insert("tokens".to_owned(), json!([self.token_issuer(service)]));
        if !operations.is_empty() {
            document.insert("operations".to_owned(), Value::Array(operations));
        }
        let path = format!("services/{}.yaml", self.converted.documents.len());
        self.converted
            .services
            .insert(path.clone(), service.id.clone());
        let document = Value::Object(document);
        self.converted.documents.push(Document { path, document });
    }

    /// The one operation of a service that cannot be used: it covers everything and denies it.
    fn denied_service(&mut self, service: &Service, reason: &str) -> Vec<Value> {
        let text = format!("service {:?} cannot be used: {reason}", service.name);
        self.warn(format!("{text}; every request to it is denied"));
        let policy = self.denial(&text);
        vec![
            json!({ "name": "everything", "paths": ["/**"], "policy": policy, "token": "optional" }),
        ]
    }

    /// The operations of a service, and whether every API of it could be read.
    fn operations(
        &mut self,
        service: &Service,
        name: &str,
        apis: &[&'a Api],
    ) -> (Vec<Value>, bool) {
        let mut complete = true;
        let mut operations = Vec::new();
        let mut seen = HashSet::new();
        for (number, api) in apis.iter().enumerate() {
            if !seen.insert((method_of(api), api.path.as_str())) {
                self.warn(format!(
                    "service {:?}: API {} has the method and the path of another before it; that one counts",
                    service.name, api.id
                ));
                continue;
            }
            let plain = format!("{} {}", method_of(api), api.path);
            let label = if plain.len() <= 200 && !plain.contains(char::is_control) {
                plain
            } else {
                format!(
                    "{}... ({number})",
                    plain.escape_debug().take(200).collect::<String>()
                )
            };
            let mut operation = Map::new();
            operation.insert("name".to_owned(), json!(label));
            match Self::route(api) {
                Ok((method, paths)) => {
                    if let Some(method) = method {
                        operation.insert("methods".to_owned(), json!([method.as_str()]));
                    }
                    operation.insert("paths".to_owned(), json!(paths));
                    self.guard(api, &mut operation);
                }
                Err((paths, problem)) => {
                    // It stands where it stood, and covers at least what it covered.
                    complete = false;
                    let text = format!("API {} cannot be read: {problem}", api.id);
                    self.warn(format!(
                        "service {:?}: {text}; {} is denied",
                        service.name,
                        paths.join(", ")
                    ));
                    operation.insert("paths".to_owned(), json!(paths));
                    operation.insert("policy".to_owned(), json!(self.denial(&text)));
                    operation.insert("token".to_owned(), json!("optional"));
                }
            }
            operations.push(Value::Object(operation));
            let api = ApiRef {
                api_id: api.id.clone(),
                policy_id: api.policy_id.clone(),
            };
            self.converted.apis.insert((name.to_owned(), label), api);
        }
        (operations, complete)
    }

    fn note_orphans(&mut self, count: usize) {
        self.has_orphans = count > 0;
        if self.has_orphans {
            self.warn(format!(
                "{count} APIs belong to no service that is in the configuration"
            ));
        }
    }

    /// A name that no other service has.
    fn name(&mut self, service: &Service) -> String {
        let plain: String = service
            .name
            .chars()
            .filter(|one| !one.is_control())
            .take(150)
            .collect();
        let name = if plain.trim().is_empty() || self.names.contains(&plain) {
            let id: String = service
                .id
                .chars()
                .filter(|one| !one.is_control())
                .take(64)
                .collect();
            format!("{plain} ({id}, {})", self.names.len())
        } else {
            plain
        };
        self.names.insert(name.clone());
        name
    }

    fn token_issuer(&self, service: &Service) -> Value {
        let issuer = &self.configuration.issuer_url;
        let mut token = Map::new();
        token.insert("issuer".to_owned(), json!(issuer));
        token.insert("profile".to_owned(), json!("generic"));
        if service.custom_audience.is_empty() {
            // The control plane says nothing of audiences; what a token opens is up to the policies.
            token.insert("any_audience".to_owned(), json!(true));
        } else {
            token.insert("audiences".to_owned(), json!([service.custom_audience]));
        }
        if let Some(endpoint) = &self.options.introspection_endpoint {
            // The control plane answers for its own tokens, to whoever has a token of the system issuer.
            let any = service.custom_audience.is_empty();
            let audience = if any { "optional" } else { "required" };
            let introspection = json!({
                "endpoint": endpoint, "client_id": "gateway", "secret": "ACP_CLIENT_SECRET", "audience": audience,
            });
            token.insert("introspection".to_owned(), introspection);
        }
        Value::Object(token)
    }

    /// The method and the paths of an API; where it cannot be read, the paths to deny and why.
    fn route(api: &Api) -> Result<(Option<Method>, Vec<String>), Unreadable> {
        let paths = patterns(&api.path)
            .map_err(|paths| (paths, format!("the path {:?} is not a template", api.path)))?;
        if !matches!(api.api_type.as_str(), "" | "rest") {
            return Err((
                paths,
                format!("the type {:?} is not supported", api.api_type),
            ));
        }
        let method = method_of(api);
        if method == ANY {
            return Ok((None, paths));
        }
        match Method::parse(&method) {
            Ok(method) => Ok((Some(method), paths)),
            Err(error) => Err((paths, error.to_string())),
        }
    }

    /// What guards it.
    fn guard(&mut self, api: &'a Api, operation: &mut Map<String, Value>) {
        if api.policy_id.is_empty() {
            operation.insert("public".to_owned(), json!(true));
        } else {
            operation.insert("policy".to_owned(), json!(self.policy(&api.policy_id)));
            operation.insert("token".to_owned(), json!("optional"));
        }
    }

    /// The file of a policy.
    fn policy(&mut self, id: &'a str) -> String {
        if let Some(file) = self.files.get(id) {
            return file.clone();
        }
        let (extension, document, problem) = self.policy_document(id);
        let file = self.file(extension, document);
        let path = format!("policies/{file}");
        self.converted.policies.insert(path, id.to_owned());
        if let Some(problem) = problem {
            self.warn(problem.to_string());
        }
        self.files.insert(id, file.clone());
        file
    }

    /// A policy that denies and says why.
    fn denial(&mut self, why: &str) -> String {
        self.file(DOCUMENT_EXTENSION, json!(why))
    }

    /// A file of a policy.
    fn file(&mut self, extension: &str, document: Value) -> String {
        let file = format!("{}.{extension}", self.file_count);
        self.file_count += 1;
        let path = format!("policies/{file}");
        self.converted.documents.push(Document { path, document });
        file
    }

    fn policy_document(&self, id: &str) -> (&'static str, Value, Option<PolicyProblem>) {
        let unusable = |name: &str, reason: String| {
            let problem = PolicyProblem {
                id: id.to_owned(),
                name: name.to_owned(),
                reason,
            };
            (
                DOCUMENT_EXTENSION,
                json!(problem.to_string()),
                Some(problem),
            )
        };
        let Some(policy) = self.policies.get(id) else {
            return unusable("", "the configuration does not have it".to_owned());
        };
        let name = &policy.policy_name;
        if let Some(reason) = self.unusable.policies.get(id) {
            return unusable(name, reason.clone());
        }
        match &policy.language {
            PolicyLanguage::Cloudentity if policy.validators.is_empty() => {
                unusable(name, "it has no validators".to_owned())
            }
            PolicyLanguage::Cloudentity => {
                ("yaml", json!({ "validators": policy.validators }), None)
            }
            PolicyLanguage::Rego if self.options.rego => ("rego", json!(policy.definition), None),
            PolicyLanguage::Rego => unusable(name, NO_REGO.to_owned()),
            PolicyLanguage::Other(other) => {
                let shown: String = other.chars().take(40).collect();
                unusable(name, format!("its language {shown:?} is not known"))
            }
        }
    }

    fn warn(&mut self, warning: String) {
        self.converted.warnings.push(warning);
    }
}

#[cfg(test)]
mod tests;
