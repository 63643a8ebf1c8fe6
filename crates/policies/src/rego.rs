//! Rego, by `regorus` and its bytecode machine. The only module that knows that crate.
//!
//! A policy is `package acp.authz` with a rule `allow`, in Rego v1 or, where it does not parse as that, in
//! v0. Its input is the document of [`PolicyInput`]; the values of its other rules that are defined go to
//! the decision as output.

mod limits;

use std::fmt;
use std::sync::Arc;

use portcullis_engine::{
    CustomPolicy, Diagnostic, PolicyFailure, PolicyFile, PolicyInput, PolicyLanguage, PolicyPlace,
    Verdict, World,
};
use regex_lite::Regex;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::RegoVM;
use regorus::rvm::program::Program;
use regorus::unstable::{Rule, RuleHead};
use regorus::{CompiledPolicy, Engine, Value};
use serde_json::Map;

use crate::compile::bounded;
use limits::{failure, limit};

const PACKAGE: &str = "data.acp.authz";
const ALLOW: &str = "data.acp.authz.allow";
/// Most rules whose values are output.
const MAX_OUTPUTS: usize = 64;
/// Built-in functions that can ask for any amount of memory at once, before any limit is looked at, or
/// whose answer is another one each time.
const REFUSED: [&str; 4] = ["numbers", "bits", "rand", "opa"];

/// The language Rego.
#[derive(Debug, Clone, Copy)]
pub struct Rego;

impl PolicyLanguage for Rego {
    fn extension(&self) -> &'static str {
        "rego"
    }

    fn compile(
        &self,
        path: &str,
        text: &str,
        _world: &World<'_>,
    ) -> Result<Arc<dyn PolicyFile>, Vec<Diagnostic>> {
        let (path, text) = (path.to_owned(), text.to_owned());
        let policy = bounded(&path.clone(), move || {
            compile(&path, &text).map_err(|problem| vec![problem])
        })?;
        Ok(Arc::new(RegoFile(Arc::new(policy))))
    }
}

/// A compiled file: the same for every place.
#[derive(Debug)]
struct RegoFile(Arc<RegoPolicy>);

impl PolicyFile for RegoFile {
    fn bind(&self, _place: &PolicyPlace<'_>) -> Arc<dyn CustomPolicy> {
        Arc::<RegoPolicy>::clone(&self.0)
    }
}

struct RegoPolicy {
    policy: CompiledPolicy,
    program: Arc<Program>,
    /// The rules beside `allow`: name and entry point.
    outputs: Vec<(String, String)>,
}

impl fmt::Debug for RegoPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegoPolicy")
            .field("outputs", &self.outputs.len())
            .finish_non_exhaustive()
    }
}

impl CustomPolicy for RegoPolicy {
    fn evaluate(&self, input: &PolicyInput<'_>) -> Result<Verdict, PolicyFailure> {
        let input: Value = serde_json::from_value(input.document().clone())
            .map_err(|_| PolicyFailure::Failed("its input cannot be read".to_owned()))?;
        let mut machine = self.machine(input)?;
        match run(&mut machine, ALLOW)? {
            Value::Bool(true) => {}
            Value::Bool(false) | Value::Undefined => {
                return Ok(Verdict {
                    detail: "allow is not true".into(),
                    nearest_miss: Some("no body of the rule allow holds".to_owned()),
                    ..Verdict::default()
                });
            }
            _ => {
                return Err(PolicyFailure::Failed(
                    "allow is neither true nor false".to_owned(),
                ));
            }
        }
        let mut output = Map::new();
        for (name, entry) in &self.outputs {
            let value = run(&mut machine, entry)?;
            if value != Value::Undefined
                && let Ok(value) = serde_json::to_value(&value)
            {
                output.insert(name.clone(), value);
            }
        }
        Ok(Verdict {
            permit: true,
            detail: "allow is true".into(),
            output,
            ..Verdict::default()
        })
    }
}

impl RegoPolicy {
    fn machine(&self, input: Value) -> Result<RegoVM, PolicyFailure> {
        let mut machine = RegoVM::new_with_policy(self.policy.clone());
        machine.load_program(Arc::clone(&self.program));
        limit(&mut machine);
        machine
            .set_data(Value::new_object())
            .map_err(|error| failure(&error))?;
        machine.set_input(input);
        Ok(machine)
    }
}

fn run(machine: &mut RegoVM, entry: &str) -> Result<Value, PolicyFailure> {
    machine
        .execute_entry_point_by_name(entry)
        .map_err(|error| failure(&error))
}

fn compile(path: &str, text: &str) -> Result<RegoPolicy, Diagnostic> {
    refuse_functions(path, text)?;
    let mut engine = parse(path, text)?;
    let packages = engine.get_packages().unwrap_or_default();
    if packages != [PACKAGE] {
        return Err(Diagnostic::new(
            path,
            Some((1, 1)),
            "the policy is not in the package acp.authz",
        )
        .help("begin it with `package acp.authz`"));
    }
    if !engine
        .has_declared_rule_rooted_at(path, "allow")
        .unwrap_or(false)
    {
        let problem = Diagnostic::new(path, None, "the policy has no rule allow");
        return Err(problem.help("a request is let through where allow is true"));
    }
    let allow = ALLOW.into();
    let compiled = engine
        .compile_with_entrypoint(&allow)
        .map_err(|error| diagnose(path, &error.to_string()))?;
    let outputs = outputs(&compiled);
    if outputs.len() > MAX_OUTPUTS {
        let message = format!("the policy has more than {MAX_OUTPUTS} rules");
        return Err(Diagnostic::new(path, None, message));
    }
    let entries: Vec<&str> = std::iter::once(ALLOW)
        .chain(outputs.iter().map(|(_, entry)| entry.as_str()))
        .collect();
    let program = Compiler::compile_from_policy(&compiled, &entries)
        .map_err(|error| diagnose(path, &error.to_string()))?;
    Ok(RegoPolicy {
        policy: compiled,
        program,
        outputs,
    })
}

/// As Rego v1, and where it is none as v0, in which Cloudentity's samples are written. A text with `if`
/// that does not import it is no v0.
fn parse(path: &str, text: &str) -> Result<Engine, Diagnostic> {
    let attempt = |v0: bool| {
        let mut engine = Engine::new();
        engine.set_rego_v0(v0);
        engine
            .add_policy(path.to_owned(), text.to_owned())
            .map(|_| engine)
            .map_err(|error| diagnose(path, &error.to_string()))
    };
    let has = |wanted: &str| {
        text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .any(|word| word == wanted)
    };
    match attempt(false) {
        Err(v1) if has("if") && !has("future") => Err(v1),
        Err(_) => attempt(true),
        parsed => parsed,
    }
}

/// Every rule of the package but `allow` and functions, which have no value by themselves.
fn outputs(policy: &CompiledPolicy) -> Vec<(String, String)> {
    let is_function = |rule: &Rule| {
        matches!(
            rule,
            Rule::Spec {
                head: RuleHead::Func { .. },
                ..
            }
        )
    };
    let mut outputs: Vec<(String, String)> = policy
        .get_rules()
        .iter()
        .filter(|(path, rules)| *path != ALLOW && !rules.iter().any(|rule| is_function(rule)))
        .filter_map(|(path, _)| {
            let name = path.strip_prefix(PACKAGE)?.strip_prefix('.')?;
            let plain = name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            // A name that starts with an underscore is for the policy alone.
            (plain && !name.starts_with('_')).then(|| (name.to_owned(), path.clone()))
        })
        .collect();
    outputs.sort();
    outputs
}

fn refuse_functions(path: &str, text: &str) -> Result<(), Diagnostic> {
    for (number, line) in text.lines().enumerate() {
        let code = line.split('#').next().unwrap_or(line);
        for module in REFUSED {
            let mut words = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            if words.any(|word| word == module) && code.contains(&format!("{module}.")) {
                let column = code.find(module).unwrap_or_default() as u64 + 1;
                let message = format!("the functions {module}.* are not available to policies");
                return Err(Diagnostic::new(
                    path,
                    Some((number as u64 + 1, column)),
                    message,
                ));
            }
        }
    }
    Ok(())
}

/// Messages of `regorus` have the place in their first line and what is wrong in their last.
fn diagnose(path: &str, message: &str) -> Diagnostic {
    let place = Regex::new(r"--> .*:(\d+):(\d+)\s").ok().and_then(|places| {
        let found = places.captures(message)?;
        let number = |group| found.get(group)?.as_str().parse::<u64>().ok();
        Some((number(1)?, number(2)?))
    });
    let last = message
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("it does not compile");
    let last = last.trim().trim_start_matches("error: ");
    Diagnostic::new(path, place, last.to_owned())
}
