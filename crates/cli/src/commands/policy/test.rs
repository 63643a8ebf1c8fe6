//! `portcullis policy test`: the tests of a policy directory, what they cover, and which decisions
//! another policy directory would make otherwise, on the tests or on what was recorded.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use portcullis_engine::{PolicyCoverage, PolicyTests, TestResult, policy_coverage};
use portcullis_jose::AwsLc;
use serde_json::json;

use super::super::{Outcome, directory, print};
use super::replay::{self, summary};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The policy directory.
    directory: PathBuf,
    /// Write the results in the XML format of `JUnit`, for CI.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print every decision that this other policy directory would make otherwise.
    #[arg(long, value_name = "DIR")]
    compare: Option<PathBuf>,
    /// Instead of the tests, replay the decisions of this file, an export of the decision service recorded with
    /// --record-requests. Without --compare, they are compared with what was recorded.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["junit", "require_coverage"])]
    decisions: Option<PathBuf>,
    /// Fail unless every operation, rule and policy is covered.
    #[arg(long)]
    require_coverage: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// A test whose decision is another one under the other policy directory.
struct Change {
    file: String,
    name: String,
    before: String,
    after: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome> {
    if let Some(decisions) = &arguments.decisions {
        let other = arguments.compare.as_deref();
        return replay::run(&arguments.directory, other, decisions, arguments.json);
    }
    let policy_directory = directory(&arguments.directory);
    let policy = policy_directory.load()?;
    let tests = PolicyTests::parse(&policy_directory.read_tests()?)?;
    let results = tests.run(&policy, &AwsLc);
    let coverage = policy_coverage(&policy, &results);
    let changes = match &arguments.compare {
        None => Vec::new(),
        Some(other) => changes(&results, &tests.run(&directory(other).load()?, &AwsLc)),
    };
    if let Some(file) = &arguments.junit {
        std::fs::write(file, junit(&results))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    print(&if arguments.json {
        as_json(&results, &coverage, &changes)
    } else {
        as_text(&results, &coverage, &changes)
    })?;
    let failed = results.iter().any(|result| !result.differences.is_empty());
    let uncovered =
        !coverage.untested_operations.is_empty() || !coverage.untested_checks.is_empty();
    let refused = failed || !changes.is_empty() || (arguments.require_coverage && uncovered);
    Ok(if refused { Outcome::No } else { Outcome::Yes })
}

fn changes(here: &[TestResult], there: &[TestResult]) -> Vec<Change> {
    here.iter()
        .zip(there)
        .filter(|(one, other)| {
            (&one.decision.outcome, one.decision.reason.code)
                != (&other.decision.outcome, other.decision.reason.code)
        })
        .map(|(one, other)| Change {
            file: one.file.clone(),
            name: one.name.clone(),
            before: summary(&one.decision),
            after: summary(&other.decision),
        })
        .collect()
}

fn as_text(results: &[TestResult], coverage: &PolicyCoverage, changes: &[Change]) -> String {
    let mut lines = Vec::new();
    for result in results
        .iter()
        .filter(|result| !result.differences.is_empty())
    {
        lines.push(format!("FAILED  {}: {}", result.file, result.name));
        let differences = result.differences.iter();
        lines.extend(differences.map(|difference| format!("        {difference}")));
        if let Some(check) = result.decision.trace.checks.last() {
            lines.push(format!(
                "        last check: {}: {}",
                check.name, check.detail
            ));
        }
        if let Some(miss) = &result.decision.trace.nearest_miss {
            lines.push(format!("        nearest: {miss}"));
        }
    }
    for change in changes {
        let Change {
            file,
            name,
            before,
            after,
        } = change;
        lines.push(format!("CHANGED {file}: {name}: {before} -> {after}"));
    }
    let failed = results
        .iter()
        .filter(|result| !result.differences.is_empty())
        .count();
    lines.push(format!(
        "{} passed, {failed} failed",
        results.len() - failed
    ));
    let covered = coverage.operations - coverage.untested_operations.len();
    lines.push(format!(
        "operations covered: {covered} of {}",
        coverage.operations
    ));
    let untested = coverage.untested_operations.iter();
    lines.extend(untested.map(|one| format!("  not covered: {one}")));
    let covered = coverage.checks - coverage.untested_checks.len();
    lines.push(format!(
        "rules and policies covered: {covered} of {}",
        coverage.checks
    ));
    let untested = coverage.untested_checks.iter();
    lines.extend(untested.map(|one| format!("  not covered: {one}")));
    lines.join("\n")
}

fn as_json(results: &[TestResult], coverage: &PolicyCoverage, changes: &[Change]) -> String {
    let results = results.iter().map(|result| {
        json!({
            "file": result.file,
            "name": result.name,
            "passed": result.differences.is_empty(),
            "decision": summary(&result.decision),
            "differences": result.differences,
        })
    });
    let changes = changes.iter().map(|change| {
        json!({
            "file": change.file, "name": change.name, "before": change.before, "after": change.after,
        })
    });
    json!({
        "tests": results.collect::<Vec<_>>(),
        "changes": changes.collect::<Vec<_>>(),
        "coverage": {
            "operations": coverage.operations,
            "untested_operations": coverage.untested_operations,
            "checks": coverage.checks,
            "untested_checks": coverage.untested_checks,
        },
    })
    .to_string()
}

/// The XML that CI systems read: a suite a file.
fn junit(results: &[TestResult]) -> String {
    let failures = |results: &[&TestResult]| {
        let failed = results.iter().filter(|one| !one.differences.is_empty());
        failed.count()
    };
    let mut files: Vec<&str> = results.iter().map(|result| result.file.as_str()).collect();
    files.dedup();
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for file in files {
        let suite: Vec<&TestResult> = results.iter().filter(|one| one.file == file).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">",
            escape(file),
            suite.len(),
            failures(&suite)
        );
        for test in suite {
            let name = escape(&test.name);
            let _ = write!(
                xml,
                "    <testcase classname=\"{}\" name=\"{name}\"",
                escape(file)
            );
            if test.differences.is_empty() {
                xml.push_str("/>\n");
            } else {
                let text = escape(&test.differences.join("\n"));
                let _ = writeln!(xml, ">\n      <failure>{text}</failure>\n    </testcase>");
            }
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// For text and attributes of XML 1.0, which has no control characters but three.
fn escape(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t'))
        .fold(String::new(), |mut escaped, letter| {
            match letter {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                other => escaped.push(other),
            }
            escaped
        })
}
