//! docs/reference/commands.md, from the definitions of the commands.

use std::fmt::Write as _;

use clap::builder::{Str, StyledStr};
use clap::{Arg, ArgAction, Command};
use portcullis_cli::command;

use super::{Table, codes, is_current, sentence};

/// Where the guide of a command is; the longest beginning of its name counts.
const GUIDES: [(&str, &str); 15] = [
    (
        "portcullis serve",
        "[The decision service](../decision-service.md)",
    ),
    (
        "portcullis decide",
        "[A decision, offline](../command-line.md#a-decision-offline)",
    ),
    (
        "portcullis token",
        "[A refused token](../command-line.md#a-refused-token)",
    ),
    (
        "portcullis admin",
        "[Administrators](../management-api.md#administrators)",
    ),
    ("portcullis aws", "[Binding APIs](../aws-binding.md)"),
    (
        "portcullis package edge",
        "[CloudFront](../cloudfront.md#the-package)",
    ),
    (
        "portcullis package authorizer",
        "[The authorizer](../authorizer.md)",
    ),
    (
        "portcullis policy",
        "[Policy directory](../policy-directory.md)",
    ),
    (
        "portcullis policy test",
        "[Tests of a policy directory](../policy-directory.md#tests)",
    ),
    (
        "portcullis policy bundle",
        "[The function decides](../authorizer.md#the-function-decides)",
    ),
    ("portcullis policy push", "[Deployments](../deployments.md)"),
    ("portcullis policy pull", "[Deployments](../deployments.md)"),
    (
        "portcullis policy deployments",
        "[Deployments](../deployments.md)",
    ),
    (
        "portcullis policy rollback",
        "[Deployments](../deployments.md)",
    ),
    (
        "portcullis policy import",
        "[Import from PingOne](../management-api.md#import-from-pingone)",
    ),
];

const OPENING: &str = "\
# Commands

Every command of `portcullis`, as `--help` has it. [The command line](../command-line.md) shows some of them at work. Exit
status: 0 done or permit, 1 the answer is no (deny, refused token, policy that does not compile), 2 the command could not
do its work. Each command takes `--help`, too; an option that may be given several times is marked with `...`.
";

#[test]
fn the_page_of_commands_is_current() {
    let mut page = OPENING.to_owned();
    for command in commands() {
        write_command(&mut page, &command);
    }
    is_current("commands.md", &page);
}

/// Every command that does something, in the order of `--help`; those that are hidden are no part of the product.
pub(super) fn commands() -> Vec<Command> {
    fn leaves(command: &Command, found: &mut Vec<Command>) {
        let mut below = command
            .get_subcommands()
            .filter(|one| !one.is_hide_set() && one.get_name() != "help")
            .peekable();
        if below.peek().is_none() {
            found.push(command.clone());
        }
        below.for_each(|one| leaves(one, found));
    }
    let mut root = command();
    root.build();
    let mut found = Vec::new();
    leaves(&root, &mut found);
    found
}

/// The options and variables of a command that are its own.
pub(super) fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_arguments()
        .filter(|one| !matches!(one.get_action(), ArgAction::Help | ArgAction::Version))
}

/// The name of a command with those above it.
pub(super) fn name(command: &Command) -> &str {
    command.get_bin_name().unwrap()
}

fn write_command(page: &mut String, command: &Command) {
    let name = name(command);
    let guide = GUIDES
        .iter()
        .filter(|(start, _)| name.starts_with(start))
        .max_by_key(|(start, _)| start.len())
        .unwrap_or_else(|| panic!("{name}: say in GUIDES where its guide is"))
        .1;
    let about = sentence(&command.get_about().unwrap().to_string());
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap().trim();
    write!(
        page,
        "\n## {name}\n\n{about} {guide}\n\n```text\n{usage}\n```\n"
    )
    .unwrap();
    let (hidden, shown): (Vec<_>, Vec<_>) = arguments(command).partition(|one| one.is_hide_set());
    if !shown.is_empty() {
        let mut table = Table::new(&["argument", "default", "meaning"]);
        for one in shown {
            table.row(&[spelled(one), default(one), meaning(command, one)]);
        }
        write!(page, "\n{}", table.text).unwrap();
    }
    if !hidden.is_empty() {
        let mut table = Table::new(&["variable only", "default", "meaning"]);
        for one in hidden {
            let variable = variable(one).unwrap_or_else(|| panic!("{name}: {one} cannot be given"));
            table.row(&[codes([variable]), default(one), meaning(command, one)]);
        }
        write!(page, "\n{}", table.text).unwrap();
    }
    if let Some(after) = command.get_after_help() {
        write_after(page, after);
    }
}

/// `--option VALUE`, `-o`, or the name of what stands at its place.
fn spelled(argument: &Arg) -> String {
    let value = if argument.get_action().takes_values() {
        let names = argument.get_value_names().unwrap_or_default();
        let names: Vec<_> = names.iter().map(Str::as_str).collect();
        format!(" {}", names.join(" "))
    } else {
        String::new()
    };
    let many = matches!(argument.get_action(), ArgAction::Append)
        || argument
            .get_num_args()
            .is_some_and(|number| number.max_values() > 1);
    let many = if many { " ..." } else { "" };
    let Some(long) = argument.get_long() else {
        return format!("`{}{many}`", value.trim_start());
    };
    let short = argument.get_short().map(|short| format!("`-{short}`, "));
    format!("{}`--{long}{value}{many}`", short.unwrap_or_default())
}

fn variable(argument: &Arg) -> Option<String> {
    Some(argument.get_env()?.to_str().unwrap().to_owned())
}

pub(super) fn default(argument: &Arg) -> String {
    let defaults = argument.get_default_values();
    let defaults: Vec<_> = defaults
        .iter()
        .map(|value| value.to_str().unwrap())
        .filter(|value| !value.is_empty())
        .collect();
    if argument.is_required_set() {
        "required".to_owned()
    } else if argument.get_action().takes_values() {
        codes(defaults)
    } else {
        // A flag is off where it is not given, which goes without saying.
        String::new()
    }
}

/// What it is for, the words or numbers that it may be, and the variable that stands for it.
pub(super) fn meaning(command: &Command, argument: &Arg) -> String {
    let mut text = sentence(&help(argument));
    let words = argument.get_possible_values();
    if argument.get_action().takes_values() && !words.is_empty() {
        let words = words.iter().map(|word| word.get_name().to_owned());
        write!(text, " One of {}.", codes(words)).unwrap();
    }
    if let Some((least, most)) = bounds(command, argument) {
        write!(text, " A number from {least} to {most}.").unwrap();
    }
    if let Some(variable) = variable(argument).filter(|_| !argument.is_hide_set()) {
        write!(text, " Or the variable `{variable}`.").unwrap();
    }
    text
}

fn help(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    help.map(StyledStr::to_string).unwrap_or_default()
}

/// The least and the most that a number may be, as `clap` refuses what is too large.
fn bounds(command: &Command, argument: &Arg) -> Option<(String, String)> {
    let option = format!("--{}={}", argument.get_long()?, i64::MAX);
    let error = command
        .clone()
        .try_get_matches_from([name(command), &option])
        .err()?
        .to_string();
    let (_, range) = error.split_once(" is not in ")?;
    let (least, most) = range.lines().next()?.split_once("..=")?;
    let unbounded = [u32::MAX.to_string(), i64::MAX.to_string()];
    (!unbounded.iter().any(|one| one == most)).then(|| (least.to_owned(), most.to_owned()))
}

/// What comes after the options: sentences, and examples, which are indented.
fn write_after(page: &mut String, after: &StyledStr) {
    let after = after.to_string();
    let mut inside = false;
    page.push('\n');
    for line in after.lines() {
        let example = line.strip_prefix("  ");
        if example.is_some() != inside {
            let fence = if inside { "" } else { "text" };
            page.push_str(if inside { "" } else { "\n" });
            writeln!(page, "```{fence}").unwrap();
            inside = !inside;
        }
        page.push_str(example.unwrap_or(line));
        page.push('\n');
    }
    if inside {
        page.push_str("```\n");
    }
}

#[test]
fn every_option_says_what_it_is_for() {
    for command in commands() {
        for argument in arguments(&command) {
            let help = help(argument);
            assert!(help.len() > 5, "{} {argument}: {help:?}", name(&command));
        }
    }
}
