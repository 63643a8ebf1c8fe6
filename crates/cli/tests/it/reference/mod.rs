//! The pages of docs/reference: written from the code, and compared with what is there. `make reference` writes them
//! again.

mod commands;
mod endpoint_list;
mod endpoints;
mod metrics;
mod reason_codes;
mod settings;
mod variables;

use std::fmt::Write as _;

/// Compares a page with the one in docs/reference; with the variable `UPDATE_REFERENCE`, writes it there.
#[expect(clippy::disallowed_methods, reason = "a page of the docs")]
#[track_caller]
fn is_current(name: &str, text: &str) {
    let path = format!("{}/../../docs/reference/{name}", env!("CARGO_MANIFEST_DIR"));
    let text =
        format!("<!-- Written by `make reference` from the code. Do not edit. -->\n\n{text}");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = text
        .lines()
        .zip(written.lines())
        .position(|(now, then)| now != then)
        .unwrap_or(text.lines().count().min(written.lines().count()));
    assert!(
        written == text,
        "docs/reference/{name} is not what the code says, from line {} on: write it again with `make reference`\n\
         the code: {:?}\nthe page: {:?}",
        differs + 1,
        text.lines().nth(differs),
        written.lines().nth(differs),
    );
}

/// A table of Markdown.
struct Table {
    text: String,
}

impl Table {
    fn new(head: &[&str]) -> Self {
        let mut table = Self {
            text: String::new(),
        };
        table.row(head);
        table.text.push_str(&"|---".repeat(head.len()));
        table.text.push_str("|\n");
        table
    }

    fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        for cell in cells {
            // One line, and no end of the cell but its own.
            let cell = cell.as_ref().split_whitespace().collect::<Vec<_>>();
            let cell = cell.join(" ").replace('|', "\\|");
            let space = if cell.is_empty() { "" } else { " " };
            write!(self.text, "|{space}{cell} ").unwrap();
        }
        self.text.push_str("|\n");
    }
}

/// Words as code, with commas between them.
fn codes<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    let codes = words
        .into_iter()
        .map(|word| format!("`{}`", word.as_ref()))
        .collect::<Vec<_>>();
    codes.join(", ")
}

/// A sentence: what `clap` and others leave out at its end is put back.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', ':']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}
