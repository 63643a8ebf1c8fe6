//! The schema that policies are checked against: which operations, path parameters and claims there are.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};
use portcullis_engine::{ClaimType, World};
use serde_json::{Map, Value, json};

/// The type of principals: subjects of tokens.
pub(super) const SUBJECT: &str = "Subject";
/// The type of resources: paths below the base URL of an API service.
pub(super) const RESOURCE: &str = "Resource";
/// The type of header fields and query parameters, which are tags: name to set of values.
pub(super) const FIELDS: &str = "Fields";
/// The action of requests that no operation covers.
const UNMATCHED: &str = "unmatched";

/// Claims that standards register, with their types: RFC 7519 section 4.1, RFC 9068 section 2.2,
/// RFC 9470 section 4, OpenID Connect Core section 5.1.
const REGISTERED: [(&str, ClaimType); 21] = [
    ("iss", ClaimType::Text),
    ("sub", ClaimType::Text),
    ("jti", ClaimType::Text),
    ("client_id", ClaimType::Text),
    ("azp", ClaimType::Text),
    ("cid", ClaimType::Text),
    ("acr", ClaimType::Text),
    ("tenant", ClaimType::Text),
    ("tid", ClaimType::Text),
    ("idp", ClaimType::Text),
    ("email", ClaimType::Text),
    ("name", ClaimType::Text),
    ("preferred_username", ClaimType::Text),
    ("amr", ClaimType::List),
    ("roles", ClaimType::List),
    ("entitlements", ClaimType::List),
    ("exp", ClaimType::Number),
    ("iat", ClaimType::Number),
    ("nbf", ClaimType::Number),
    ("auth_time", ClaimType::Number),
    ("email_verified", ClaimType::Boolean),
];

/// The names that policies may use.
#[derive(Debug, Clone)]
pub(super) struct Vocabulary {
    pub(super) claims: BTreeMap<String, ClaimType>,
    actions: BTreeSet<String>,
    parameters: BTreeSet<String>,
}

impl Vocabulary {
    pub(super) fn of(world: &World<'_>) -> Self {
        let mut claims: BTreeMap<String, ClaimType> = REGISTERED
            .into_iter()
            .map(|(name, kind)| (name.to_owned(), kind))
            .collect();
        let mut declared: BTreeMap<&str, Option<ClaimType>> = BTreeMap::new();
        for (name, kind) in world.services.iter().flat_map(|service| &service.claims) {
            let found = declared.entry(name).or_insert(Some(*kind));
            if *found != Some(*kind) {
                // Two services mean two things by it: no policy can tell which.
                *found = None;
            }
        }
        for (name, kind) in declared {
            match kind {
                Some(kind) => drop(claims.insert(name.to_owned(), kind)),
                None => drop(claims.remove(name)),
            }
        }
        let operations = world
            .services
            .iter()
            .flat_map(|service| &service.operations);
        let parameters = operations
            .clone()
            .flat_map(|operation| operation.paths)
            .flat_map(|path| path.parameter_names().map(str::to_owned))
            .collect();
        let actions = operations
            .map(|operation| operation.name)
            .chain([UNMATCHED])
            .map(str::to_owned)
            .collect();
        Self {
            claims,
            actions,
            parameters,
        }
    }

    pub(super) fn schema(&self) -> Result<Schema, String> {
        let text = || json!({ "type": "String" });
        let texts = || json!({ "type": "Set", "element": { "type": "String" } });
        let optional = |kind: Value| {
            let mut kind = kind;
            if let Some(members) = kind.as_object_mut() {
                members.insert("required".to_owned(), json!(false));
            }
            kind
        };
        let record =
            |attributes: Map<String, Value>| json!({ "type": "Record", "attributes": attributes });
        let claims = self.claims.iter().map(|(name, kind)| {
            let kind = match kind {
                ClaimType::Text => text(),
                ClaimType::Number => json!({ "type": "Long" }),
                ClaimType::Boolean => json!({ "type": "Boolean" }),
                ClaimType::List => texts(),
            };
            (name.clone(), optional(kind))
        });
        let parameters = self
            .parameters
            .iter()
            .map(|name| (name.clone(), optional(text())));
        let fields = || json!({ "type": "Entity", "name": FIELDS });
        let context = json!({ "type": "Record", "attributes": {
            "method": text(),
            "headers": fields(),
            "query": fields(),
            "now": { "type": "Long" },
            "source_ip": optional(json!({ "type": "Extension", "name": "ipaddr" })),
            "certificate": optional(text()),
            "body": optional(text()),
        }});
        let actions: Map<String, Value> = self
            .actions
            .iter()
            .map(|name| {
                let applies = json!({ "appliesTo": {
                    "principalTypes": [SUBJECT],
                    "resourceTypes": [RESOURCE],
                    "context": context,
                }});
                (name.clone(), applies)
            })
            .collect();
        let schema = json!({ "": {
            "entityTypes": {
                SUBJECT: { "shape": { "type": "Record", "attributes": {
                    "claims": record(claims.collect()),
                    "scopes": texts(),
                    "groups": texts(),
                    "permissions": texts(),
                }}},
                RESOURCE: { "shape": { "type": "Record", "attributes": {
                    "service": text(),
                    "path": text(),
                    "parameters": record(parameters.collect()),
                }}},
                FIELDS: { "tags": texts() },
            },
            "actions": actions,
        }});
        Schema::from_json_value(schema).map_err(|error| error.to_string())
    }
}

/// The action of an operation, or of requests that none covers.
pub(super) fn action(operation: Option<&str>) -> EntityUid {
    uid("Action", operation.unwrap_or(UNMATCHED))
}

/// The entity of that type and id.
pub(super) fn uid(kind: &str, id: &str) -> EntityUid {
    // INVARIANT: the types are names of this module.
    let kind = kind.parse::<EntityTypeName>();
    #[expect(clippy::expect_used, reason = "a constant that is a name")]
    let kind = kind.expect("a name of an entity type");
    EntityUid::from_type_name_and_id(kind, EntityId::new(id))
}
