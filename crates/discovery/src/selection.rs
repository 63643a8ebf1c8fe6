//! Which APIs, stages and routes are meant.

use std::collections::BTreeMap;

use crate::account::{Api, Protocol, Route};
use crate::apis::ApiHead;

/// What narrows down the APIs. Every kind of condition that is given has to hold; of each, one value has to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Ids.
    pub ids: Vec<String>,
    /// Names; `*` stands for any characters.
    pub names: Vec<String>,
    /// Tags that must all be there; `None` for any value.
    pub tags: BTreeMap<String, Option<String>>,
    /// Stages that the API must have one of, and that alone are deployed.
    pub stages: Vec<String>,
    /// How it is spoken to.
    pub protocols: Vec<Protocol>,
}

impl Selection {
    /// Whether it selects something, instead of everything there is.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        *self != Self::default()
    }

    /// Whether an API may be meant, by what the list of APIs says.
    #[must_use]
    pub fn may_take(&self, api: &ApiHead) -> bool {
        self.takes(&api.id, &api.name, &api.tags, api.protocol)
    }

    /// Whether an API is meant.
    #[must_use]
    pub fn takes_api(&self, api: &Api) -> bool {
        self.takes(&api.id, &api.name, &api.tags, api.protocol)
            && (self.stages.is_empty() || api.stages.iter().any(|one| self.takes_stage(&one.name)))
    }

    /// Whether a stage is meant.
    #[must_use]
    pub fn takes_stage(&self, name: &str) -> bool {
        self.stages.is_empty() || self.stages.iter().any(|one| one == name)
    }

    /// Whether none of the ids is that of an API which needs reading the list of the other kind: ids tell nothing
    /// about it, so a protocol has to.
    #[must_use]
    pub fn wants(&self, protocol: Protocol) -> bool {
        self.protocols.is_empty() || self.protocols.contains(&protocol)
    }

    fn takes(
        &self,
        id: &str,
        name: &str,
        tags: &BTreeMap<String, String>,
        protocol: Protocol,
    ) -> bool {
        let by_id = self.ids.is_empty() || self.ids.iter().any(|one| one == id);
        let by_name = self.names.is_empty() || self.names.iter().any(|one| glob(one, name));
        let by_tags = self.tags.iter().all(|(key, wanted)| match tags.get(key) {
            None => false,
            Some(value) => wanted.as_ref().is_none_or(|wanted| wanted == value),
        });
        by_id && by_name && by_tags && self.wants(protocol)
    }
}

/// Which routes a binding takes beside those that nobody authorizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Include {
    /// `OPTIONS`, which browsers send without credentials before a cross-origin request.
    pub options: bool,
    /// Routes that something else authorizes.
    pub authorized: bool,
}

impl Include {
    /// Why a route that is not ours is left alone; `None` where it is not.
    #[must_use]
    pub fn skips(
        self,
        route: &Route,
        protocol: Protocol,
        authorizer: Option<&str>,
    ) -> Option<String> {
        use crate::account::AuthorizationKind::{None as Nobody, Other};
        if protocol == Protocol::WebSocket && route.path != "$connect" {
            return Some("a WebSocket API is authorized at $connect only".to_owned());
        }
        if route.method == "OPTIONS" && !self.options {
            let why = "browsers send OPTIONS without credentials (--include-options takes it)";
            return Some(why.to_owned());
        }
        let kind = route.authorization.kind;
        if kind == Other {
            let why = "its kind of authorization is not known here and could not be put back";
            return Some(why.to_owned());
        }
        if kind == Nobody || self.authorized {
            return None;
        }
        let by = authorizer.map_or_else(|| kind.to_string(), |name| format!("{kind} {name}"));
        Some(format!(
            "{by} authorizes it already (--replace-authorizers takes it)"
        ))
    }
}

/// `*` stands for any characters, everything else for itself.
fn glob(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<_> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        let Some(at) = rest.find(piece) else {
            return false;
        };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn names_may_have_wildcards() {
        for (pattern, text, expected) in [
            ("orders", "orders", true),
            ("orders", "orders-2", false),
            ("orders*", "orders-2", true),
            ("*-prod", "orders-prod", true),
            ("*-prod", "orders-prod-2", false),
            ("o*s*d", "orders-prod", true),
            ("a*a", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
