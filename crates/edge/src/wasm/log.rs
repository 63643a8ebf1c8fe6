//! The log: one JSON object a line, as the authorizer writes it, through the host.

use std::fmt;
use std::io::{self, Write};
use std::panic;

use portcullis_enforcement::LogLevel;
use tracing::{Level, Metadata};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::host;

/// Sends the log to the host from now on.
pub(super) fn start(level: LogLevel) {
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_timer(HostTime)
        .with_writer(|| Lines);
    let wanted = FilterFn::new(move |event| *event.level() <= level.0 && may_be_logged(event))
        .with_max_level_hint(level.0);
    // A second start keeps the first log.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(wanted))
        .try_init();
}

/// Our own events, and warnings of the libraries.
fn may_be_logged(event: &Metadata<'_>) -> bool {
    event.target().starts_with("portcullis") || *event.level() <= Level::WARN
}

/// Says where a panic happened. Its message could hold anything.
pub(super) fn report_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        let line = serde_json::json!({
            "timestamp": host::iso_time(),
            "level": "ERROR",
            "message": "a defect of Portcullis: please report it",
            "place": place,
        });
        host::write_line(&line.to_string());
    }));
}

struct HostTime;

impl FormatTime for HostTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&host::iso_time())
    }
}

/// Each write is a line.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        host::write_line(text.trim_end_matches('\n'));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
