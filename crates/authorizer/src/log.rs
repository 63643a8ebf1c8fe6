//! The log: one JSON object a line, in the form of Lambda's own JSON logs, with `timestamp`,
//! `level`, `message`, `requestId` and further members side by side.
//!
//! Source: AWS Lambda developer guide, "Using Lambda advanced logging controls".

use std::io;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use portcullis_enforcement::LogLevel;

/// Sends the log of this process to standard output, which Lambda takes to `CloudWatch`.
pub fn start_log(level: LogLevel) {
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_writer(io::stdout);
    let wanted = FilterFn::new(move |event| *event.level() <= level.0 && may_be_logged(event))
        .with_max_level_hint(level.0);
    tracing_subscriber::registry()
        .with(lines.with_filter(wanted))
        .init();
}

/// Our own events, and warnings of the libraries. Below warnings the Lambda runtime logs whole
/// events, and with them tokens; and it reports every 401, which is an answer, as an error.
fn may_be_logged(event: &Metadata<'_>) -> bool {
    let target = event.target();
    target.starts_with("portcullis")
        || target.starts_with("bootstrap")
        || (*event.level() <= Level::WARN && !target.starts_with("lambda_runtime::layers::panic"))
}
