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

/// Policies that turned out not to compile, by their id, each with the reason.
pub type Unusable = HashMap<String, String>;

/// What a configuration became.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Converted {
    /// The documents.
    pub documents: Vec<Document>,
    /// Which API each operation stands for, by the names of service and operation.
    pub apis: HashMap<(String, String), ApiRef>,
    /// The id of the policy that each document below `policies/` stands for.
    pub policies: HashMap<String, String>,
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
            names: HashSet::new(),
            bound: HashSet::new(),
            converted: Converted::default(),
        };
        let mut apis: HashMap<&str, Vec<&Api>> = HashMap::new();
        for api in &self.apis {
            apis.entry(&api.service_id).or_default().push(api);
        }
        for service in &self.services {
            let mut own = apis.remove(service.id.as_str()).unwrap_or_default();
            own.sort_by_key(|api| api.position);
            converter.service(service, &own);
        }
        converter.converted
    }
}

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
    names: HashSet<String>,
    bound: HashSet<(&'a str, &'a str)>,
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
        if !self.bound.insert((&aws.api_id, &aws.stage)) {
            self.warn(format!(
                "service {:?}: API {}, stage {}, is bound to another service already; this one is left out",
                service.name, aws.api_id, aws.stage
            ));
            return;
        }
        let name = self.name(service);
        let mut complete = true;
        let mut operations = Vec::new();
        let mut names = HashSet::new();
        for api in apis {
            let label: String = format!("{} {}", method_of(api), api.path)
                .chars()
                .take(250)
                .collect();
            match Self::operation(api) {
                Ok(mut operation) => {
                    if !names.insert(label.clone()) {
                        self.warn(format!(
                            "service {:?}: there is another {label} before API {}; the first counts",
                            service.name, api.id
                        ));
                        continue;
                    }
                    operation.insert("name".to_owned(), json!(label));
                    self.guard(api, &mut operation);
                    operations.push(Value::Object(operation));
                    let api = ApiRef {
                        api_id: api.id.clone(),
                        policy_id: api.policy_id.clone(),
                    };
                    self.converted.apis.insert((name.clone(), label), api);
                }
                Err(problem) => {
                    complete = false;
                    self.warn(format!(
                        "service {:?}: API {}: {problem}",
                        service.name, api.id
                    ));
                }
            }
        }
        // Where an API could not be read, what it guards must not be open for being unknown.
        let open = self.options.allow_unknown && complete;
        if self.options.allow_unknown && !complete {
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
        let number = self.converted.documents.len();
        self.converted.documents.push(Document {
            path: format!("services/{number}.yaml"),
            document: Value::Object(document),
        });
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
            format!("{plain} ({})", service.id)
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
            let introspection = json!({
                "endpoint": endpoint, "client_id": "gateway", "secret": "ACP_CLIENT_SECRET", "audience": "optional",
            });
            token.insert("introspection".to_owned(), introspection);
        }
        Value::Object(token)
    }

    /// The methods and paths of an operation.
    fn operation(api: &Api) -> Result<Map<String, Value>, String> {
        if !matches!(api.api_type.as_str(), "" | "rest") {
            return Err(format!("type {:?} is not supported", api.api_type));
        }
        let paths = patterns(&api.path).ok_or_else(|| {
            format!(
                "path {:?} is not a template",
                api.path.escape_debug().to_string()
            )
        })?;
        let mut operation = Map::new();
        let method = method_of(api);
        if method != ANY {
            let method = Method::parse(&method).map_err(|error| error.to_string())?;
            operation.insert("methods".to_owned(), json!([method.as_str()]));
        }
        operation.insert("paths".to_owned(), json!(paths));
        Ok(operation)
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
        let number = self.files.len();
        let (extension, document, problem) = self.policy_document(id);
        let file = format!("{number}.{extension}");
        let path = format!("policies/{file}");
        self.converted.policies.insert(path.clone(), id.to_owned());
        self.converted.documents.push(Document { path, document });
        if let Some(problem) = problem {
            self.warn(problem.to_string());
        }
        self.files.insert(id, file.clone());
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
        if let Some(reason) = self.unusable.get(id) {
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
            PolicyLanguage::Rego => {
                unusable(name, "Rego is not built into this function".to_owned())
            }
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
mod tests {
    use super::*;

    fn configuration() -> GatewayConfiguration {
        let aws = |id: &str| json!({ "type": "aws", "aws": { "api_id": id, "api_name": "x", "stage": "dev" } });
        let sent = json!({
            "tenant_id": "t", "issuer_url": "https://acp.example.com/t/default", "jwks_url": null, "new_member": 1,
            "services": [
                { "id": "s1", "name": "PetStore", "api_group_metadata": aws("a1") },
                { "id": "s2", "name": "PetStore", "api_group_metadata": aws("a2"), "custom_audience": "pets" },
                { "id": "s3", "name": "Twin", "api_group_metadata": aws("a1") },
                { "id": "s4", "name": "Azure", "api_group_metadata": { "type": "azure", "azure": {} } },
            ],
            "apis": [
                { "id": "2", "service_id": "s1", "api_type": "rest", "method": "GET", "path": "/pets/{id}", "position": 2, "policy_id": "p1" },
                { "id": "1", "service_id": "s1", "api_type": "rest", "method": "any", "path": "/pets.*", "position": 1 },
                { "id": "3", "service_id": "s1", "api_type": "rest", "method": "GET", "path": "/pets/{id}", "position": 3, "policy_id": "p2" },
                { "id": "4", "service_id": "s1", "api_type": "rest", "method": "PUT", "path": "/a", "position": 4, "policy_id": "p3" },
                { "id": "5", "service_id": "s1", "api_type": "rest", "method": "PUT", "path": "/b", "position": 5, "policy_id": "none" },
                { "id": "6", "service_id": "s2", "api_type": "graphql", "method": "POST", "path": "/graphql" },
            ],
            "policies": [
                { "id": "p1", "policy_name": "MFA", "language": "cloudentity", "type": "api", "validators": [
                    { "name": "identity-context", "conf": { "fields": [{ "field": "amr", "comparator": "contains_all", "value": ["pwd"] }] }, "recovery": null } ] },
                { "id": "p2", "language": "rego", "definition": "package acp.authz" },
                { "id": "p3", "language": "wasm" },
            ],
        });
        serde_json::from_value(sent).unwrap()
    }

    #[test]
    fn a_configuration_becomes_documents() {
        let options = ConvertOptions {
            allow_unknown: true,
            rego: false,
            introspection_endpoint: None,
        };
        let converted = configuration().convert(&options, &Unusable::new());
        let document = |path: &str| {
            let found = converted.documents.iter().find(|one| one.path == path);
            found.map(|one| one.document.clone()).unwrap_or_default()
        };
        let paths: Vec<_> = converted
            .documents
            .iter()
            .map(|one| one.path.as_str())
            .collect();
        assert_eq!(
            paths,
            [
                "policies/0.yaml",
                "policies/1.unusable",
                "policies/2.unusable",
                "services/3.yaml",
                "services/4.yaml"
            ]
        );
        assert_eq!(
            document("services/3.yaml"),
            json!({
                "name": "PetStore", "aws": [{ "api_id": "a1", "stage": "dev" }], "order": "file", "unmatched": "open",
                "tokens": [{ "issuer": "https://acp.example.com/t/default", "profile": "generic", "any_audience": true }],
                "operations": [
                    { "paths": ["/pets*", "/pets*/**"], "public": true, "name": "ANY /pets.*" },
                    { "methods": ["GET"], "paths": ["/pets/{id}"], "policy": "0.yaml", "token": "optional", "name": "GET /pets/{id}" },
                    { "methods": ["PUT"], "paths": ["/a"], "policy": "1.unusable", "token": "optional", "name": "PUT /a" },
                    { "methods": ["PUT"], "paths": ["/b"], "policy": "2.unusable", "token": "optional", "name": "PUT /b" },
                ],
            })
        );
        // One of its APIs could not be read, so nothing of it is open for being unknown.
        assert_eq!(document("services/4.yaml")["unmatched"], "deny");
        assert_eq!(
            document("services/4.yaml")["tokens"][0]["audiences"],
            json!(["pets"])
        );
        assert_eq!(document("services/4.yaml")["name"], "PetStore (s2)");
        assert!(
            document("policies/1.unusable")
                .as_str()
                .unwrap()
                .contains("wasm")
        );
        let warnings = converted.warnings.join("\n");
        for says in [
            "another GET /pets/{id}",
            "\"wasm\"",
            "(none)",
            "graphql",
            "bound to another service",
            "unknown requests are denied",
        ] {
            assert!(warnings.contains(says), "{says}: {warnings}");
        }
        let key = ("PetStore".to_owned(), "GET /pets/{id}".to_owned());
        assert_eq!(
            converted.apis[&key],
            ApiRef {
                api_id: "2".into(),
                policy_id: "p1".into()
            }
        );
    }

    #[test]
    fn a_policy_that_turned_out_not_to_compile_denies() {
        let unusable =
            Unusable::from([("p1".to_owned(), "comparator \"x\" is not known".to_owned())]);
        let converted = configuration().convert(&ConvertOptions::default(), &unusable);
        let text = converted.documents[0].document.as_str().unwrap();
        assert!(text.contains("comparator") && converted.documents[0].path.ends_with(".unusable"));
        assert_eq!(converted.policies["policies/0.unusable"], "p1");
    }

    #[test]
    fn null_and_absent_are_empty() {
        for text in [
            "{}",
            r#"{"apis":null,"policies":null,"services":null,"issuer_url":null}"#,
        ] {
            let read: GatewayConfiguration = serde_json::from_str(text).unwrap();
            assert_eq!(read, GatewayConfiguration::default());
        }
    }
}
