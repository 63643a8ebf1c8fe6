//! A request as Cedar sees it. What is missing in the token or in the request is missing here, too.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression};
use portcullis_engine::{ClaimType, PolicyInput};
use serde_json::{Map, Value};

use super::schema::{FIELDS, RESOURCE, SUBJECT, Vocabulary, uid};

/// The request and the entities that it names; `None` where they cannot be made, which a valid policy set
/// never leads to.
pub(super) fn build(
    input: &PolicyInput<'_>,
    action: &EntityUid,
    vocabulary: &Vocabulary,
) -> Option<(Request, Entities)> {
    let principal = uid(SUBJECT, input.subject().unwrap_or_default());
    let claims = vocabulary
        .claims
        .iter()
        .filter_map(|(name, kind)| Some((name.clone(), claim(input.claims().get(name)?, *kind)?)));
    let subject = Entity::new(
        principal.clone(),
        HashMap::from([
            ("claims".to_owned(), record(claims)?),
            ("scopes".to_owned(), texts(input.scopes())),
            ("groups".to_owned(), texts(input.groups())),
            ("permissions".to_owned(), texts(input.permissions())),
        ]),
        HashSet::new(),
    )
    .ok()?;

    let path = input.path();
    let resource = uid(RESOURCE, path);
    let parameters = input
        .parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), text(value)));
    let target = Entity::new(
        resource.clone(),
        HashMap::from([
            ("service".to_owned(), text(input.service)),
            ("path".to_owned(), text(path)),
            ("parameters".to_owned(), record(parameters)?),
        ]),
        HashSet::new(),
    )
    .ok()?;

    let (headers, query) = input.fields();
    let (header_fields, query_fields) = (uid(FIELDS, "headers"), uid(FIELDS, "query"));
    // Names of header fields are found in lower case only, as HTTP/2 writes them.
    let headers = fields(&header_fields, headers, |name| name.to_ascii_lowercase())?;
    let query = fields(&query_fields, query, |name| name)?;

    let request = input.request();
    let mut context = vec![
        ("method".to_owned(), text(request.method.as_str())),
        (
            "headers".to_owned(),
            RestrictedExpression::new_entity_uid(header_fields),
        ),
        (
            "query".to_owned(),
            RestrictedExpression::new_entity_uid(query_fields),
        ),
        (
            "now".to_owned(),
            RestrictedExpression::new_long(i64::try_from(input.now()).ok()?),
        ),
    ];
    if let Some(ip) = request.source.ip {
        context.push((
            "source_ip".to_owned(),
            RestrictedExpression::new_ip(ip.to_string()),
        ));
    }
    if let Some(thumbprint) = input.certificate() {
        context.push(("certificate".to_owned(), text(thumbprint)));
    }
    if let Some(body) = &request.body {
        context.push(("body".to_owned(), text(body)));
    }
    let context = Context::from_pairs(context).ok()?;
    let entities = Entities::from_entities([subject, target, headers, query], None).ok()?;
    let request = Request::new(principal, action.clone(), resource, context, None).ok()?;
    Some((request, entities))
}

/// A claim of that type; one of another type is missing.
fn claim(value: &Value, kind: ClaimType) -> Option<RestrictedExpression> {
    match kind {
        ClaimType::Text => value.as_str().map(text),
        ClaimType::Boolean => value.as_bool().map(RestrictedExpression::new_bool),
        ClaimType::Number => whole(value).map(RestrictedExpression::new_long),
        ClaimType::List => {
            let list = value.as_array()?;
            let members = list.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?;
            Some(texts(members))
        }
    }
}

/// A number without its fraction.
fn whole(value: &Value) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of a float saturates, and a NumericDate is far from the limits"
    )]
    value.as_i64().or_else(|| {
        value
            .as_f64()
            .filter(|number| number.is_finite())
            .map(|number| number as i64)
    })
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn texts<'a>(list: impl IntoIterator<Item = &'a str>) -> RestrictedExpression {
    RestrictedExpression::new_set(list.into_iter().map(text))
}

fn record(
    members: impl IntoIterator<Item = (String, RestrictedExpression)>,
) -> Option<RestrictedExpression> {
    RestrictedExpression::new_record(members).ok()
}

fn fields(
    id: &EntityUid,
    fields: Map<String, Value>,
    written: impl Fn(String) -> String,
) -> Option<Entity> {
    let tags = fields.into_iter().map(|(name, values)| {
        let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
        (
            written(name),
            texts(values.iter().filter_map(Value::as_str)),
        )
    });
    Entity::new_with_tags(id.clone(), [], [], tags).ok()
}
