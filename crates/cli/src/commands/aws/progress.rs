//! One line on standard error that says how far a command is, where it takes longer than two seconds and someone
//! is looking.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use portcullis_discovery::Progress;
use portcullis_pdp::clock::{Clock, Moment, SystemClock};

/// How long nothing is said.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest line, in characters.
const WIDTH: usize = 79;

pub(super) struct ProgressLine {
    start: Moment,
    at_terminal: bool,
    shown: bool,
}

impl ProgressLine {
    pub(super) fn new() -> Self {
        Self {
            start: SystemClock.monotonic(),
            at_terminal: std::io::stderr().is_terminal(),
            shown: false,
        }
    }

    pub(super) fn read(&mut self, progress: Progress) {
        self.show(&match progress {
            Progress::Listed(number) => format!("listing APIs: {number}"),
            Progress::Read { done, total } => format!("reading APIs: {done} of {total}"),
        });
    }

    pub(super) fn show(&mut self, text: &str) {
        let early = SystemClock.monotonic() - self.start < PATIENCE;
        if !self.at_terminal || early {
            return;
        }
        let text: String = text.chars().take(WIDTH).collect();
        write(&format!("\r\x1b[K{text}"));
        self.shown = true;
    }

    pub(super) fn clear(&mut self) {
        if self.shown {
            write("\r\x1b[K");
            self.shown = false;
        }
    }
}

fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    // Progress that nobody can see is no reason to stop.
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}
