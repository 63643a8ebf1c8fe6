//! The policy that the function decides with itself: from variables alone, or from a bundle in its zip.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use portcullis_engine::{
    Diagnostic, IssuerUrl, PolicySet, Profile, TokenIssuer, any_valid_token, compile_scope_table,
};
use portcullis_jose::Jwks;
use portcullis_pdp::bundle::Bundle;
use portcullis_pdp::keys::import_keys;

use crate::environment::Environment;
use crate::invalid_setting::InvalidSetting;
use crate::languages::Languages;

/// A compiled policy and the keys that came with it.
pub struct LocalPolicy {
    /// The policy.
    pub policy: PolicySet,
    /// The keys of its issuers, as far as they came with it.
    pub keys: Vec<(IssuerUrl, Jwks)>,
}

impl fmt::Debug for LocalPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPolicy")
            .field("issuers", &self.policy.issuers())
            .finish_non_exhaustive()
    }
}

/// `PORTCULLIS_ISSUER`, `PORTCULLIS_AUDIENCE`, `PORTCULLIS_PROFILE`, `PORTCULLIS_SCOPES`,
/// `PORTCULLIS_LEEWAY`, `PORTCULLIS_PATHS` and `PORTCULLIS_JWKS`.
pub(crate) fn from_variables(environment: &Environment) -> Result<LocalPolicy, InvalidSetting> {
    with_routes(environment, Routes::Required)
}

/// The same, but that `PORTCULLIS_SCOPES` may be left out where somebody else is asked about the routes:
/// then any valid token will do here.
pub(crate) fn tokens_from_variables(
    environment: &Environment,
) -> Result<LocalPolicy, InvalidSetting> {
    with_routes(environment, Routes::Optional)
}

/// Whether the table of routes has to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Routes {
    Required,
    Optional,
}

fn with_routes(environment: &Environment, routes: Routes) -> Result<LocalPolicy, InvalidSetting> {
    let required = |name: &str, expected: &str| {
        environment
            .value(name)
            .ok_or_else(|| InvalidSetting::missing(name, expected))
    };
    let name = "PORTCULLIS_ISSUER";
    let text = required(name, "the issuer of access tokens, an https URL")?;
    let issuer = IssuerUrl::parse(text)
        .map_err(|error| InvalidSetting::new(name, text, &error.to_string()))?;
    let audiences: Vec<String> = required(
        "PORTCULLIS_AUDIENCE",
        "the audience that access tokens must name",
    )?
    .split_whitespace()
    .map(str::to_owned)
    .collect();
    let token_issuer = TokenIssuer {
        leeway: leeway(environment)?,
        ..TokenIssuer::new(issuer.clone(), audiences, profile(environment)?)
    };
    let name = "PORTCULLIS_SCOPES";
    let (issuers, plain) = (vec![token_issuer], plain_paths(environment)?);
    let policy = match environment.value(name) {
        Some(table) => compile_scope_table(table, issuers, plain)
            .map_err(|error| InvalidSetting::new(name, table, &error.to_string()))?,
        None if routes == Routes::Optional => any_valid_token(issuers, plain),
        None => {
            let expected = "which scope opens which route, such as \"GET /planets = silver\"";
            return Err(InvalidSetting::missing(name, expected));
        }
    };
    let name = "PORTCULLIS_JWKS";
    let keys = match environment.value(name) {
        None => Vec::new(),
        Some(place) => {
            let text = read_file(environment, name, place)?;
            vec![(issuer, jwks(name, place, text.as_bytes())?)]
        }
    };
    Ok(LocalPolicy { policy, keys })
}

/// `PORTCULLIS_BUNDLE`.
pub(crate) fn from_bundle(
    environment: &Environment,
    languages: &Languages,
) -> Result<LocalPolicy, InvalidSetting> {
    let name = "PORTCULLIS_BUNDLE";
    let Some(place) = environment.value(name) else {
        return Err(InvalidSetting::missing(name, EXPECTED_FILE));
    };
    let text = read_file(environment, name, place)?;
    LocalPolicy::from_bundle(text.as_bytes(), languages).map_err(|why| {
        let expected = format!("a bundle that `portcullis policy bundle` wrote ({why})");
        InvalidSetting::new(name, place, &expected)
    })
}

/// Why a function cannot decide on a bundle, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnusableBundle(String);

impl LocalPolicy {
    /// The policy and the keys of a bundle in JSON, for a function that runs policies in those languages.
    pub fn from_bundle(text: &[u8], languages: &Languages) -> Result<Self, UnusableBundle> {
        let wrong = |why: &dyn fmt::Display| UnusableBundle(why.to_string());
        let bundle = Bundle::from_json(text).map_err(|error| wrong(&error))?;
        let policy = bundle.compile(&languages.0).map_err(|problems| {
            let of_rego = |problem: &Diagnostic| {
                Path::new(&problem.file).extension() == Some(OsStr::new("rego"))
            };
            if languages.is_without("rego") && problems.0.iter().any(of_rego) {
                wrong(&format!("{problems}; for Rego, deploy bootstrap-rego or, at the edge, a package made with --with rego"))
            } else {
                wrong(&problems)
            }
        })?;
        if let Some(obliged) = responses_wanted(&policy) {
            return Err(UnusableBundle(obliged));
        }
        let mut keys = Vec::new();
        for (issuer, set) in bundle_keys(&bundle) {
            let issuer = IssuerUrl::parse(issuer).map_err(|error| wrong(&error))?;
            let imported = import_keys(set.as_bytes());
            let set = imported.map_err(|error| wrong(&format!("the keys of {issuer}: {error}")))?;
            keys.push((issuer, set));
        }
        Ok(Self { policy, keys })
    }
}

/// What of a policy this function would leave undone: Lambda shows it requests only, and what a policy says about
/// responses must not be passed over in silence.
fn responses_wanted(policy: &PolicySet) -> Option<String> {
    let (service, operation) = policy.response_obligation()?;
    let place = operation.map_or_else(
        || format!("the service \"{}\"", service.name),
        |operation| {
            format!(
                "the operation \"{}\" of \"{}\"",
                operation.name, service.name
            )
        },
    );
    Some(format!(
        "{place} has a response_policy or an obligatory statement of phase response, and the function sees no responses; \
         take it out, or put a gateway that calls /sideband/response in front of that service"
    ))
}

fn bundle_keys(bundle: &Bundle) -> BTreeMap<&str, String> {
    bundle
        .keys
        .iter()
        .map(|(issuer, set)| (issuer.as_str(), set.to_string()))
        .collect()
}

fn profile(environment: &Environment) -> Result<Profile, InvalidSetting> {
    let name = "PORTCULLIS_PROFILE";
    let Some(text) = environment.value(name) else {
        return Ok(Profile::default());
    };
    Profile::named(text).ok_or_else(|| {
        let known: Vec<&str> = Profile::ALL.iter().map(|(name, _)| *name).collect();
        InvalidSetting::new(name, text, &format!("one of {}", known.join(", ")))
    })
}

fn leeway(environment: &Environment) -> Result<u64, InvalidSetting> {
    let name = "PORTCULLIS_LEEWAY";
    let Some(text) = environment.value(name) else {
        return Ok(TokenIssuer::DEFAULT_LEEWAY);
    };
    let most = TokenIssuer::MAX_LEEWAY;
    text.strip_suffix('s')
        .and_then(|number| number.parse().ok())
        .filter(|leeway| *leeway <= most)
        .ok_or_else(|| InvalidSetting::new(name, text, &format!("a time from 0s to {most}s")))
}

fn plain_paths(environment: &Environment) -> Result<bool, InvalidSetting> {
    let name = "PORTCULLIS_PATHS";
    match environment.value(name) {
        None | Some("plain") => Ok(true),
        Some("any") => Ok(false),
        Some(other) => Err(InvalidSetting::new(name, other, "plain or any")),
    }
}

const EXPECTED_FILE: &str =
    "file: and the path of a file in the function's zip, such as file:policy.json";

/// A file that a setting names: `file:policy.json`, relative to the folder of the function's code.
fn read_file(environment: &Environment, name: &str, place: &str) -> Result<String, InvalidSetting> {
    let path = place
        .strip_prefix("file:")
        .ok_or_else(|| InvalidSetting::new(name, place, EXPECTED_FILE))?;
    let path = path.strip_prefix("//").unwrap_or(path);
    environment.read_file(path).map_err(|error| {
        InvalidSetting::new(name, place, &format!("a file that can be read ({error})"))
    })
}

fn jwks(name: &str, place: &str, text: &[u8]) -> Result<Jwks, InvalidSetting> {
    import_keys(text).map_err(|error| {
        InvalidSetting::new(name, place, &format!("keys that can be used ({error})"))
    })
}
