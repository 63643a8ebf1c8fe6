//! Policies of Cloudentity as policy files, and back. The first line of a file that was made of one is a comment with
//! its name, so that the name goes wherever the file goes.

use portcullis_cloudentity::{Policy, PolicyLanguage, ValidatorConfig};
use portcullis_store::Id;
use serde_json::{Value, json};

use super::plan::Plan;
use super::refusal::Refusal;
use crate::management::resources::PolicyFile;
use crate::management::yaml;

/// The policy that denies everything, which is always there.
pub(crate) const BLOCK_ID: &str = "block-api";
/// Its file.
pub(crate) const BLOCK_FILE: &str = "block-api.yaml";
const BLOCK_NAME: &str = "Block API";
/// What the first line begins with.
const NAME: &str = "# policy: ";

/// The file that a policy is.
pub(super) fn to_file(policy: &Policy, file_name: &str) -> Result<PolicyFile, Refusal> {
    let name = &policy.policy_name;
    if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
        return Err(Refusal::unprocessable(
            "policy_name has 1 to 200 bytes and no control characters",
        ));
    }
    if !matches!(policy.kind.as_str(), "" | "api") {
        return Err(Refusal::unprocessable("the one type of policy is api"));
    }
    let text = match &policy.language {
        PolicyLanguage::Cloudentity if policy.validators.is_empty() => {
            return Err(Refusal::unprocessable(
                "validators is empty: a policy that permits everything says so with the validator \"true\"",
            ));
        }
        PolicyLanguage::Cloudentity => yaml::write(&json!({ "validators": policy.validators })),
        PolicyLanguage::Rego => policy.definition.clone(),
        PolicyLanguage::Other(_) => {
            return Err(Refusal::unprocessable("language is cloudentity or rego"));
        }
    };
    Ok(PolicyFile {
        name: file_name.to_owned(),
        text: format!("{NAME}{name}\n{text}"),
    })
}

/// The name of a new file: of the words of the policy's name and of its id.
pub(super) fn file_name(policy: &Policy, id: &Id) -> String {
    let words: String = policy
        .policy_name
        .chars()
        .map(|one| match one {
            'A'..='Z' | 'a'..='z' | '0'..='9' => one.to_ascii_lowercase(),
            _ => '-',
        })
        .take(40)
        .collect();
    let short: String = id.as_str().chars().take(8).collect();
    let words = words.trim_matches('-');
    format!("{words}-{short}.{}", extension(&policy.language))
        .trim_start_matches('-')
        .to_owned()
}

/// The extension of the files of a language.
pub(super) fn extension(language: &PolicyLanguage) -> &'static str {
    match language {
        PolicyLanguage::Rego => "rego",
        _ => "yaml",
    }
}

/// The policy that a file is. One that this protocol cannot say denies.
pub(super) fn to_policy(id: &str, file: &str, text: &str) -> Policy {
    let (name, text) = match text
        .strip_prefix(NAME)
        .and_then(|rest| rest.split_once('\n'))
    {
        Some((name, rest)) => (name, rest),
        None => (file, text),
    };
    let policy = Policy {
        id: id.to_owned(),
        policy_name: name.to_owned(),
        kind: "api".to_owned(),
        ..Policy::default()
    };
    match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("rego") => Policy {
            language: PolicyLanguage::Rego,
            definition: text.to_owned(),
            ..policy
        },
        Some("yaml" | "yml") => match validators(text) {
            Some(validators) => Policy {
                validators,
                ..policy
            },
            None => denying(policy),
        },
        _ => denying(policy),
    }
}

/// The same, with a validator that never holds.
fn denying(policy: Policy) -> Policy {
    Policy {
        policy_name: format!(
            "{} (denied: this protocol cannot say it)",
            policy.policy_name
        ),
        validators: vec![ValidatorConfig {
            name: "false".to_owned(),
            ..ValidatorConfig::default()
        }],
        ..policy
    }
}

/// A policy for what cannot be said.
pub(super) fn unsayable() -> Policy {
    denying(Policy {
        id: "portcullis-unsayable".to_owned(),
        policy_name: "Rules of Portcullis".to_owned(),
        kind: "api".to_owned(),
        ..Policy::default()
    })
}

/// The validators of a file that says nothing else.
fn validators(text: &str) -> Option<Vec<ValidatorConfig>> {
    let document: Value = serde_saphyr::from_str(text).ok()?;
    let members = document.as_object().filter(|members| members.len() == 1)?;
    serde_json::from_value(members.get("validators")?.clone()).ok()
}

/// Makes the policy that denies everything, where it is not there or is another one by now.
pub(super) fn seed(plan: &mut Plan) -> Result<(), Refusal> {
    let id = super::binding::block()?;
    let policy = Policy {
        policy_name: BLOCK_NAME.to_owned(),
        validators: vec![ValidatorConfig {
            name: "false".to_owned(),
            ..ValidatorConfig::default()
        }],
        ..Policy::default()
    };
    let file = to_file(&policy, BLOCK_FILE)?;
    let there = plan.get::<PolicyFile>(&id)?;
    if there.is_some_and(|there| (there.name, there.text) == (file.name.clone(), file.text.clone()))
    {
        return Ok(());
    }
    plan.put(&id, None, &file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(value: Value) -> Policy {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn policies_come_back_as_they_went() {
        let id: Id = "0123456789".parse().unwrap();
        for sent in [
            json!({ "id": "x", "policy_name": "MFA: \"user\" #1", "type": "api", "validators": [
                { "name": "identity-context", "conf": { "fields": [{ "field": "amr", "comparator": "contains_all", "value": ["pwd"] }] }, "recovery": [{ "type": "mfa" }] },
                { "name": "false" }] }),
            json!({ "id": "x", "policy_name": "Rego", "type": "api", "language": "rego", "definition": "package acp.authz\n\ndefault allow = false\n" }),
        ] {
            let sent = policy(sent);
            let file = to_file(&sent, &file_name(&sent, &id)).unwrap();
            assert_eq!(
                to_policy("x", &file.name, &file.text),
                sent,
                "{}",
                file.text
            );
        }
        let made = policy(json!({ "policy_name": "MFA User!" }));
        assert_eq!(file_name(&made, &id), "mfa-user-01234567.yaml");
        let made = policy(json!({ "policy_name": "\u{e9}", "language": "rego" }));
        assert_eq!(file_name(&made, &id), "01234567.rego");
    }

    #[test]
    fn what_cannot_be_said_denies() {
        for (file, text) in [
            ("a.cedar", "permit(principal, action, resource);"),
            ("a.yaml", "validators: []\nother: 1\n"),
            ("a.yaml", ": : ["),
            ("a", ""),
        ] {
            let policy = to_policy("x", file, text);
            assert_eq!(policy.validators.len(), 1, "{file}");
            assert_eq!(policy.validators[0].name, "false", "{file}");
        }
    }

    #[test]
    fn refuses_what_is_no_policy_of_apis() {
        for sent in [
            json!({ "policy_name": "", "validators": [{ "name": "true" }] }),
            json!({ "policy_name": "a\nb", "validators": [{ "name": "true" }] }),
            json!({ "policy_name": "a", "validators": [] }),
            json!({ "policy_name": "a", "type": "user", "validators": [{ "name": "true" }] }),
            json!({ "policy_name": "a", "language": "wasm", "validators": [{ "name": "true" }] }),
        ] {
            assert!(to_file(&policy(sent.clone()), "a.yaml").is_err(), "{sent}");
        }
    }
}
