//! The rules that a service or an operation asks of a token.

use std::sync::Arc;

use portcullis_model::Level;
use serde_saphyr::Spanned;

use super::super::document::{AnyAllDocument, AnyDocument, AuthenticationDocument, RulesDocument};
use super::{MAX_NAME_CHARS, ServiceReader};
use crate::policy_set::{Requirement, Step};
use crate::rules::{
    AuthenticationRule, GroupRule, PermissionRule, Rule, ScopeRule, SenderConstraintRule,
    is_scope_token,
};

impl ServiceReader<'_> {
    pub(super) fn rules(&mut self, rules: &Spanned<RulesDocument>, level: Level) -> Vec<Step> {
        let document = &rules.value;
        if document.is_empty() {
            self.problem(
                rules,
                "rules is empty; leave it out where any valid token is enough",
            );
        }
        let scopes = document.scopes.as_ref().and_then(|rule| self.scopes(rule));
        let groups = document.groups.as_ref().and_then(|rule| self.groups(rule));
        let permission = document
            .permission
            .as_ref()
            .and_then(|rule| self.permission(rule));
        let authentication = document
            .authentication
            .as_ref()
            .and_then(|rule| self.authentication(rule));
        let sender = document
            .sender_constraint
            .as_ref()
            .and_then(|rule| self.named(rule, "sender_constraint", &SenderConstraintRule::ALL))
            .map(Rule::SenderConstraint);
        // What a token is bound to comes first: without that, nobody knows whose it is.
        sender
            .into_iter()
            .chain(scopes)
            .chain(groups)
            .chain(permission)
            .chain(authentication)
            .map(|rule| Step {
                level,
                requirement: Requirement::Rule(self.shared_rule(rule)),
            })
            .collect()
    }

    /// The rule, once for all places that have the same.
    fn shared_rule(&mut self, rule: Rule) -> Arc<Rule> {
        if let Some(known) = self.rules.get(&rule) {
            return Arc::clone(known);
        }
        let rule = Arc::new(rule);
        self.rules.insert(Arc::clone(&rule));
        rule
    }

    fn permission(&mut self, permission: &Spanned<String>) -> Option<Rule> {
        let name = &permission.value;
        let length = name.chars().count();
        if name.trim().is_empty() || length > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            let message = format!(
                "permission is the name of one permission, such as orders:cancel, of 1 to {MAX_NAME_CHARS} characters"
            );
            self.problem(permission, message);
            return None;
        }
        Some(Rule::Permission(PermissionRule::new(name.clone())))
    }

    fn scopes(&mut self, rule: &Spanned<AnyAllDocument>) -> Option<Rule> {
        let AnyAllDocument { any_of, all_of } = &rule.value;
        if any_of.is_empty() && all_of.is_empty() {
            self.problem(
                rule,
                "scopes needs any_of or all_of with at least one scope",
            );
            return None;
        }
        if let Some(wrong) = any_of
            .iter()
            .chain(all_of)
            .find(|scope| !is_scope_token(scope))
        {
            let message = format!(
                "\"{}\" is not one scope: no spaces, quotes or backslashes (RFC 6749 section 3.3)",
                wrong.escape_debug()
            );
            self.problem(rule, message);
            return None;
        }
        Some(Rule::Scopes(ScopeRule::new(any_of.clone(), all_of.clone())))
    }

    fn groups(&mut self, rule: &Spanned<AnyDocument>) -> Option<Rule> {
        let any_of = &rule.value.any_of;
        if any_of.is_empty() || any_of.iter().any(String::is_empty) {
            self.problem(
                rule,
                "groups needs any_of with at least one group that is not empty",
            );
            return None;
        }
        Some(Rule::Groups(GroupRule::new(any_of.clone())))
    }

    fn authentication(&mut self, rule: &Spanned<AuthenticationDocument>) -> Option<Rule> {
        let AuthenticationDocument {
            acr_values,
            max_age,
        } = &rule.value;
        if acr_values.is_empty() && max_age.is_none() {
            self.problem(rule, "authentication needs acr_values or max_age");
            return None;
        }
        if *max_age == Some(0) {
            self.problem(rule, "max_age is a number of seconds greater than 0");
            return None;
        }
        // Classes stand in one challenge parameter, separated by spaces (RFC 9470 section 3).
        if let Some(wrong) = acr_values.iter().find(|acr| !is_scope_token(acr)) {
            let message = format!(
                "\"{}\" is not one acr value: no spaces, quotes or backslashes",
                wrong.escape_debug()
            );
            self.problem(rule, message);
            return None;
        }
        Some(Rule::Authentication(AuthenticationRule::new(
            acr_values.clone(),
            *max_age,
        )))
    }
}
