//! Who may invoke a function: its resource-based policy, read for what API Gateway may do.

use serde::Serialize;
use serde_json::Value;

/// The service that invokes authorizers.
const API_GATEWAY: &str = "apigateway.amazonaws.com";
/// Most statements that are looked at; Lambda's limit of 20 KB for a policy allows for fewer.
const MAX_STATEMENTS: usize = 1000;

/// What is known of a function.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FunctionView {
    /// Its statements that let API Gateway, or anyone, invoke it.
    pub permissions: Vec<InvokePermission>,
    /// `PORTCULLIS_CACHE_TTL` of its environment, in seconds; `None` where it has none, or may not be read.
    pub cache_ttl: Option<u32>,
    /// `PORTCULLIS_HTTP_RESPONSE` of its environment.
    pub http_response: Option<String>,
    /// Who decides, by `PORTCULLIS_DECISION_POINT` of its environment or the variables that stand for one.
    pub decision_point: Option<String>,
    /// Whether its environment has variables of Portcullis. No other value of it is kept.
    pub is_portcullis: bool,
}

/// The variables that stand for a decision point, the strongest first, as the authorizer reads them
/// (docs/authorizer.md, "Settings").
const STANDS_FOR: [(&str, &str); 7] = [
    ("AUTHZEN_PDP_URL", "authzen"),
    ("ACP_ISSUER_URL", "cloudentity"),
    ("PORTCULLIS_ISSUER", "oauth"),
    ("PORTCULLIS_BUNDLE", "bundle"),
    ("SERVICE_URL", "sideband"),
    ("SECRET_HEADER_VALUE", "sideband"),
    ("SECRET_HEADER_VALUE_ARN", "sideband"),
];

impl FunctionView {
    /// What the variables of a function's environment say, with no permissions yet. Cloudentity's own authorizer has
    /// `ACP_ISSUER_URL`, too: what holds for one of ours holds for it.
    #[must_use]
    pub fn of_variables<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Self {
        let value = |name: &str| get(name).map(str::trim).filter(|value| !value.is_empty());
        let inferred = || {
            let found = STANDS_FOR.iter().find(|(name, _)| value(name).is_some());
            found.map(|(_, decides)| *decides)
        };
        let decision_point = value("PORTCULLIS_DECISION_POINT").or_else(inferred);
        Self {
            permissions: Vec::new(),
            cache_ttl: value("PORTCULLIS_CACHE_TTL").and_then(seconds),
            http_response: value("PORTCULLIS_HTTP_RESPONSE").map(str::to_owned),
            is_portcullis: decision_point.is_some(),
            decision_point: decision_point.map(str::to_owned),
        }
    }
}

/// A time as the authorizer reads it, such as `300s`; anything else is the function's to complain about.
fn seconds(text: &str) -> Option<u32> {
    text.strip_suffix('s')?.parse().ok()
}

/// One statement that lets API Gateway invoke a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvokePermission {
    /// Its id, where it has one.
    pub statement: Option<String>,
    /// The source ARNs that it is for, of which one has to match; none stands for every source.
    pub sources: Vec<String>,
    /// Whether it is for one account only (`AWS:SourceAccount`).
    pub one_account: bool,
    /// Whether it is for anyone instead of API Gateway.
    pub anyone: bool,
}

impl InvokePermission {
    /// Reads a function's policy document; statements that API Gateway cannot use, and those with conditions that
    /// are not understood, count as none.
    #[must_use]
    pub fn read(policy: &str) -> Vec<Self> {
        let Ok(document) = serde_json::from_str::<Value>(policy) else {
            return Vec::new();
        };
        let statements = many(document.get("Statement"));
        let read = statements.iter().take(MAX_STATEMENTS);
        read.filter_map(|statement| Self::of(statement)).collect()
    }

    fn of(statement: &Value) -> Option<Self> {
        if statement.get("Effect").and_then(Value::as_str) != Some("Allow") {
            return None;
        }
        let actions = texts(statement.get("Action"));
        let invokes = |action: &String| {
            ["lambda:invokefunction", "lambda:*", "*"].contains(&action.to_lowercase().as_str())
        };
        if !actions.iter().any(invokes) {
            return None;
        }
        let principal = statement.get("Principal")?;
        let anyone = principal.as_str() == Some("*")
            || texts(principal.get("AWS")).iter().any(|one| one == "*");
        let services = texts(principal.get("Service"));
        if !anyone && !services.iter().any(|one| one == API_GATEWAY) {
            return None;
        }
        let mut sources = Vec::new();
        let mut one_account = false;
        let conditions = statement.get("Condition").and_then(Value::as_object);
        for (operator, tests) in conditions.into_iter().flatten() {
            for (key, values) in tests.as_object().into_iter().flatten() {
                match (operator.as_str(), key.to_lowercase().as_str()) {
                    ("ArnLike" | "ArnEquals" | "StringLike" | "StringEquals", "aws:sourcearn") => {
                        sources.extend(texts(Some(values)));
                    }
                    ("StringEquals" | "StringLike", "aws:sourceaccount") => one_account = true,
                    _ => return None,
                }
            }
        }
        let statement = statement.get("Sid").and_then(Value::as_str);
        Some(Self {
            statement: statement.map(str::to_owned),
            sources,
            one_account,
            anyone,
        })
    }

    /// Whether it lets an authorizer with that source ARN through.
    #[must_use]
    pub fn covers(&self, source_arn: &str) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|one| matches(one, source_arn))
    }

    /// Whether it lets authorizers of every API through, not of one.
    #[must_use]
    pub fn is_wide(&self, partition: &str, region: &str, account: &str) -> bool {
        // An id that no API has: ids are lower case and digits.
        let elsewhere =
            format!("arn:{partition}:execute-api:{region}:{account}:NO-SUCH-API/authorizers/NONE");
        self.covers(&elsewhere)
    }
}

fn many(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let texts = many(value).into_iter().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// IAM's wildcards: `*` is any run of characters, `?` one. Goes back to the last `*` only, so the time is at
/// most the product of both lengths.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == '?' || text.get(t) == Some(c) => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    p = star;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_those_of_iam() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xaxab", true),
            ("abc", "abcd", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
