//! docs/reference/metrics.md, from the registry of the decision service, the metric line of the functions and the
//! statements that log decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use portcullis_enforcement::{Metrics as MetricLines, Observation};
use portcullis_pdp::clock::SystemClock;
use portcullis_server::Metrics;
use serde_json::Value;

use super::{Table, codes, is_current, sentence};

const SERVICE: &str = "\
# Metrics and log fields

## The decision service

What `portcullis serve` counts, at `GET /metrics` ([where and when](../decision-service.md#metrics)), in the text of OpenMetrics
1.0. A histogram has `_bucket`, `_sum` and `_count` behind its name. No label holds anything that a caller chooses.

";
const FUNCTIONS: &str = "
## The authorizer and the edge function

One line a decision in CloudWatch's embedded metric format, in the log; CloudWatch makes metrics of it
([log and metrics](../authorizer.md#log-and-metrics)). The edge function writes it in the Region nearest to the viewer.

";
const LOG: &str = "
## Fields of the line of a decision

Each log line is one JSON object with `timestamp` and `level`. The one about a decision has `\"message\": \"decided\"` and, as far as
they are known, these fields. No header, query, body, token or claim is logged.

";

/// The words that a label has as examples only.
const EXAMPLES: [(&str, &str); 4] = [
    (
        "reason",
        "a [reason code](reason-codes.md); for the outcome `none` one of `keys`, `introspection`, `timeout`, `network`",
    ),
    ("endpoint", "a [route](endpoints.md), or `other`"),
    ("status", "the HTTP status, or `none`"),
    ("version", "the version"),
];

const MEANINGS: [(&str, &str); 3] = [
    (
        "Decisions",
        "1 for each event that was answered or could not be",
    ),
    ("Latency", "from the event's arrival to the answer"),
    ("ColdStart", "1 for the first event of an instance, else 0"),
];

const DIMENSIONS: [(&str, &str); 3] = [
    ("function_name", "the name of the function"),
    (
        "dialect",
        "`rest_token`, `rest_request`, `http_v1`, `http_v2`, `websocket_connect`, `cloudfront_viewer_request`, or `unknown`",
    ),
    (
        "decision",
        "`permit`, `deny`, `unauthorized`, `bad_request` or `error`",
    ),
];

/// Every field of a line about a decision.
const FIELDS: [(&str, &str); 18] = [
    (
        "requestId",
        "the id that Lambda or CloudFront gave the event",
    ),
    (
        "decision_id",
        "the id of the decision, the same in every log that has a part in it and in `Correlation-Id`",
    ),
    ("decision", "`permit` or `deny`"),
    ("phase", "`response`, where it is about a response"),
    ("protocol", "`authzen`, where an AuthZEN client asked"),
    ("reason", "the [reason code](reason-codes.md)"),
    ("detail", "the reason as a sentence"),
    (
        "status",
        "the status that the client is to see; left out for a permit",
    ),
    (
        "cache",
        "`off`, or `credential` where the answer is right for every request with the same token",
    ),
    ("dialect", "the form of the event"),
    ("distribution", "the id of the CloudFront distribution"),
    ("service", "the name of the API service"),
    ("operation", "the name of the operation"),
    (
        "gateway",
        "the name of the gateway that asked, where its credential is in the database",
    ),
    ("method", "the method of the request"),
    ("host", "the host of the request"),
    ("path", "the path of the request, shortened"),
    (
        "elapsed_us",
        "the time that the decision took, in microseconds",
    ),
];

/// Where decisions are logged.
const LOGS: [(&str, &str); 4] = [
    (
        "authorizer",
        include_str!("../../../../authorizer/src/authorizer.rs"),
    ),
    ("edge", include_str!("../../../../edge/src/function.rs")),
    (
        "service",
        include_str!("../../../../server/src/sideband.rs"),
    ),
    ("service", include_str!("../../../../server/src/authzen.rs")),
];

#[test]
fn the_page_of_metrics_is_current() {
    let mut page = SERVICE.to_owned();
    page.push_str(&service());
    page.push_str(FUNCTIONS);
    page.push_str(&functions());
    page.push_str(LOG);
    page.push_str(&log());
    is_current("metrics.md", &page);
}

/// What the text of the registry says of one metric.
#[derive(Default)]
struct Described {
    help: String,
    kind: String,
    unit: String,
    labels: BTreeMap<String, BTreeSet<String>>,
}

fn service() -> String {
    let text = Metrics::specimen(Arc::new(SystemClock)).text();
    let mut found: Vec<(String, Described)> = Vec::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(about) = line.strip_prefix("# ") {
            let (what, about) = about.split_once(' ').unwrap();
            let (name, about) = about.split_once(' ').unwrap();
            if found.last().is_none_or(|(last, _)| last != name) {
                found.push((name.to_owned(), Described::default()));
            }
            let described = &mut found.last_mut().unwrap().1;
            match what {
                "HELP" => about.clone_into(&mut described.help),
                "TYPE" => about.clone_into(&mut described.kind),
                "UNIT" => about.clone_into(&mut described.unit),
                other => panic!("{other} is not expected in {line}"),
            }
        } else if let Some((_, rest)) = line.split_once('{') {
            let (labels, _) = rest.split_once('}').unwrap();
            for label in labels.split(',') {
                let (label, value) = label.split_once('=').unwrap();
                let labels = &mut found.last_mut().unwrap().1.labels;
                let values = labels.entry(label.to_owned()).or_default();
                values.insert(value.trim_matches('"').to_owned());
            }
        }
    }
    let mut table = Table::new(&["metric", "type", "unit", "labels", "meaning"]);
    for (name, described) in found {
        let ending = match described.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let labels: Vec<_> = described.labels.into_iter().filter_map(label).collect();
        table.row(&[
            codes([format!("{name}{ending}")]),
            described.kind,
            described.unit,
            labels.join("; "),
            // The registry ends each with a full stop of its own.
            sentence(described.help.trim_end_matches('.')),
        ]);
    }
    table.text
}

fn label((label, values): (String, BTreeSet<String>)) -> Option<String> {
    if label == "le" {
        return None;
    }
    let said = EXAMPLES.iter().find(|(known, _)| *known == label);
    let values = said.map_or_else(|| codes(values), |(_, said)| (*said).to_owned());
    Some(format!("`{label}`: {values}"))
}

fn functions() -> String {
    let observation = Observation {
        decision: "permit",
        dialect: None,
        latency: Duration::ZERO,
        cold_start: true,
    };
    let line: Value = serde_json::from_str(&MetricLines::new("f").line(&observation, 0)).unwrap();
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    let sets: Vec<Vec<String>> = serde_json::from_value(directive["Dimensions"].clone()).unwrap();
    let sets: Vec<_> = sets.iter().map(codes).collect();
    let mut table = Table::new(&["metric", "unit", "meaning"]);
    for metric in directive["Metrics"].as_array().unwrap() {
        let name = metric["Name"].as_str().unwrap();
        let unit = metric["Unit"].as_str().unwrap();
        table.row(&[&codes([name]), unit, said(&MEANINGS, name)]);
    }
    let mut text = format!(
        "Namespace `{}`, dimensions {}.\n\n{}\n",
        directive["Namespace"].as_str().unwrap(),
        sets.join("; and "),
        table.text
    );
    let mut table = Table::new(&["dimension", "values"]);
    for name in directive["Dimensions"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .as_array()
        .unwrap()
    {
        let name = name.as_str().unwrap();
        table.row(&[&codes([name]), said(&DIMENSIONS, name)]);
    }
    text.push_str(&table.text);
    text
}

/// What is said of that name; whoever adds a name has to say something.
fn said<'a>(list: &[(&str, &'a str)], name: &str) -> &'a str {
    let found = list.iter().find(|(known, _)| *known == name);
    found
        .unwrap_or_else(|| panic!("say what {name} is in crates/cli/tests/it/reference/metrics.rs"))
        .1
}

fn log() -> String {
    let mut by_field: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (program, code) in LOGS {
        for field in logged(code) {
            said(&FIELDS, field);
            let programs = by_field.entry(field).or_default();
            if !programs.contains(&program) {
                programs.push(program);
            }
        }
    }
    let mut table = Table::new(&["field", "logged by", "meaning"]);
    for (field, meaning) in FIELDS {
        let programs = by_field.get(field);
        let programs = programs.unwrap_or_else(|| panic!("{field} is not logged any more"));
        table.row(&[&codes([field]), &programs.join(", "), meaning]);
    }
    table.text
}

/// The fields of every statement in that code that logs a decision.
fn logged(code: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let parts: Vec<_> = code.split("\n        \"decided\"\n").collect();
    assert!(parts.len() > 1, "where is the line of a decision logged?");
    for part in &parts[..parts.len() - 1] {
        let (_, statement) = part.rsplit_once("tracing::info!(\n").unwrap();
        // What is deeper belongs to a value.
        let lines = statement
            .lines()
            .filter_map(|line| line.strip_prefix("        "));
        let lines = lines.filter(|line| !line.starts_with([' ', '.', ')']));
        fields.extend(lines.map(|line| line.split([' ', ',']).next().unwrap()));
    }
    fields
}
