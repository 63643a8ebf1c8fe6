//! What an enforcement point asks: the bodies of calls to an AuthZEN service, read as questions.
//!
//! As in the API gateway scenario of the working group, the action is a method and the resource a route: the
//! template of an operation's path, or a path. The properties of the subject are taken for its claims.

use portcullis_engine::Question;
use portcullis_model::{HeaderMap, Method, Source};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Most items of a batch.
const MAX_ITEMS: usize = 1000;
/// Longest name or id, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// Why a body asks nothing. No message holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCall(String);

/// One request for an evaluation, or the defaults of a batch. Unknown members are ignored (section 2).
#[derive(Debug, Clone, Default, Deserialize)]
pub struct AskedEvaluation {
    subject: Option<Subject>,
    action: Option<Action>,
    resource: Option<Resource>,
    context: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Subject {
    #[serde(rename = "type")]
    _kind: String,
    id: String,
    #[serde(default)]
    properties: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
struct Action {
    name: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Resource {
    #[serde(rename = "type")]
    _kind: String,
    id: String,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// A request for several evaluations.
#[derive(Debug, Deserialize)]
pub struct AskedEvaluations {
    #[serde(flatten)]
    defaults: AskedEvaluation,
    #[serde(default)]
    evaluations: Vec<AskedEvaluation>,
    #[serde(default)]
    options: Options,
}

#[derive(Debug, Default, Deserialize)]
struct Options {
    #[serde(default)]
    evaluations_semantic: Semantic,
}

/// After which decision of a batch no more are made (section 7.1.2.1).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Semantic {
    /// After the last.
    #[default]
    ExecuteAll,
    /// After the first deny.
    DenyOnFirstDeny,
    /// After the first permit.
    PermitOnFirstPermit,
}

/// What a request for several evaluations comes to.
#[derive(Debug)]
pub enum Questions {
    /// Without items it is a request for one (section 7.1).
    One(Box<Question>),
    /// Each item with what it lacks from the defaults.
    Several(Vec<Question>, Semantic),
}

impl AskedEvaluation {
    /// Reads the body of a call.
    pub fn read(body: &[u8]) -> Result<Self, InvalidCall> {
        read(body)
    }

    /// What is asked.
    pub fn question(self) -> Result<Question, InvalidCall> {
        let missing = |name: &str| InvalidCall(format!("{name} is missing"));
        let subject = self.subject.ok_or_else(|| missing("subject"))?;
        let action = self.action.ok_or_else(|| missing("action"))?;
        let resource = self.resource.ok_or_else(|| missing("resource"))?;
        let context = self.context.unwrap_or_default();
        for text in [&subject.id, &action.name, &resource.id] {
            if text.is_empty() || text.len() > MAX_TEXT_BYTES {
                let message = format!("ids and names have 1 to {MAX_TEXT_BYTES} bytes");
                return Err(InvalidCall(message));
            }
        }
        let method = Method::parse(&action.name)
            .map_err(|error| InvalidCall(format!("action.name: {error}")))?;
        let service = resource.properties.get("service").and_then(Value::as_str);
        let ip = context.get("ip").and_then(Value::as_str);
        Ok(Question {
            subject: subject.id,
            claims: subject.properties,
            method,
            service: service.map(str::to_owned),
            route: resource.id,
            headers: fields(context.get("headers"))?,
            source: Source {
                ip: ip.and_then(|ip| ip.parse().ok()),
                port: None,
            },
        })
    }

    /// What is asked where the action is looked for (section 8): the question with `GET`.
    pub fn search(self) -> Result<Question, InvalidCall> {
        let action = Action {
            name: Method::get().as_str().to_owned(),
        };
        Self {
            action: Some(action),
            ..self
        }
        .question()
    }

    /// With what is missing taken from the defaults, member by member (section 7.1).
    fn or(self, defaults: &Self) -> Self {
        Self {
            subject: self.subject.or_else(|| defaults.subject.clone()),
            action: self.action.or_else(|| defaults.action.clone()),
            resource: self.resource.or_else(|| defaults.resource.clone()),
            context: self.context.or_else(|| defaults.context.clone()),
        }
    }
}

impl AskedEvaluations {
    /// Reads the body of a call.
    pub fn read(body: &[u8]) -> Result<Self, InvalidCall> {
        read(body)
    }

    /// What is asked. What is missing anywhere is a fault of the whole call, found before anything is decided.
    pub fn questions(self) -> Result<Questions, InvalidCall> {
        if self.evaluations.is_empty() {
            return Ok(Questions::One(Box::new(self.defaults.question()?)));
        }
        if self.evaluations.len() > MAX_ITEMS {
            let message = format!("evaluations has at most {MAX_ITEMS} items");
            return Err(InvalidCall(message));
        }
        let questions = self
            .evaluations
            .into_iter()
            .map(|item| item.or(&self.defaults).question())
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Questions::Several(
            questions,
            self.options.evaluations_semantic,
        ))
    }
}

fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, InvalidCall> {
    // A structure would be read from a list, too.
    let begin = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if begin != Some(&b'{') {
        return Err(not_an_object(body));
    }
    // What is not read has to be text all the same (RFC 8259 section 8.1).
    let text = std::str::from_utf8(body)
        .map_err(|_| InvalidCall("the body is no JSON: it is not UTF-8".to_owned()))?;
    serde_json::from_str(text).map_err(|error| {
        // The message of the reader may quote values; where it stops says enough.
        let category = if error.is_data() {
            "a member is missing, of another type, or there twice"
        } else {
            "it is no JSON"
        };
        InvalidCall(format!(
            "{category}: line {}, column {}",
            error.line(),
            error.column()
        ))
    })
}

/// What is wrong with a body that does not begin as an object does.
fn not_an_object(body: &[u8]) -> InvalidCall {
    InvalidCall(match serde_json::from_slice::<Value>(body) {
        Ok(_) => "the body is a JSON object".to_owned(),
        Err(error) => format!(
            "the body is no JSON: line {}, column {}",
            error.line(),
            error.column()
        ),
    })
}

/// Header fields from `context.headers`: names with a text or a list of texts.
fn fields(headers: Option<&Value>) -> Result<HeaderMap, InvalidCall> {
    let mut fields = HeaderMap::new();
    let members = headers.and_then(Value::as_object);
    for (name, value) in members.into_iter().flatten() {
        let values = match value {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values.iter().filter_map(Value::as_str) {
            fields
                .append(name, value)
                .map_err(|error| InvalidCall(format!("context.headers: {error}")))?;
        }
    }
    Ok(fields)
}
