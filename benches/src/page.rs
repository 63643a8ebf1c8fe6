//! docs/benchmarks.md: each part of it stands between two marks, and is replaced there.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context, Result};

/// Shows a part on standard output.
pub(crate) fn print(part: &str) -> Result<()> {
    writeln!(io::stdout().lock(), "{part}")?;
    Ok(())
}

/// Replaces the parts of the page by name.
pub(crate) fn write(page: &Path, parts: &[(&str, &str)]) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the page that is rewritten")]
    let text = fs::read_to_string(page)?;
    fs::write(page, replaced(text, parts)?)?;
    Ok(())
}

/// The page with these parts. One that it does not have yet comes after the one before it in the list, and the first one
/// at the end.
fn replaced(mut page: String, parts: &[(&str, &str)]) -> Result<String> {
    let mut last: Option<String> = None;
    for (name, part) in parts {
        let begin = format!("<!-- {name}: written by `make bench` -->");
        let end = format!("<!-- end of {name} -->");
        let block = format!("{begin}\n\n{}\n\n{end}", part.trim_end());
        page = if let Some((before, rest)) = page.split_once(&begin) {
            let (_, after) = rest
                .split_once(&end)
                .with_context(|| format!("the mark for the end of {name} is missing"))?;
            format!("{before}{block}{after}")
        } else {
            match last.and_then(|last| {
                page.split_once(&last)
                    .map(|(before, after)| (before, last, after))
            }) {
                Some((before, last, after)) => format!("{before}{last}\n\n{block}{after}"),
                None => format!("{}\n\n{block}\n", page.trim_end()),
            }
        };
        last = Some(end);
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::replaced;
    use crate::{PARTS, summary};

    const PAGE: &str =
        "# Title\n\n<!-- a: written by `make bench` -->\n\nold\n\n<!-- end of a -->\n\nText.\n";

    /// What stands between the marks of each part of docs/benchmarks.md, the summary first.
    #[expect(clippy::disallowed_methods, reason = "the page is what is looked at")]
    fn parts_of_the_page() -> Vec<(&'static str, String)> {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");
        let page = fs::read_to_string(page).unwrap();
        let mut rest = page.as_str();
        let names = ["summary"].into_iter().chain(PARTS);
        names
            .map(|name| {
                let begin = format!("<!-- {name}: written by `make bench` -->");
                let end = format!("<!-- end of {name} -->");
                let (_, after) = rest.split_once(&begin).expect(&begin);
                let (part, after) = after.split_once(&end).expect(&end);
                rest = after;
                (name, part.trim().to_owned())
            })
            .collect()
    }

    #[test]
    fn the_page_has_every_part_in_its_order() {
        for (name, part) in parts_of_the_page() {
            let begin = if name == "summary" { "![" } else { "## " };
            assert!(part.starts_with(begin), "{name}: {part}");
            assert!(part.contains("\n|---|"), "{name} has no table: {part}");
            // What one writes by hand beside a part that was measured alone.
            assert!(!part.contains("by itself ("), "{name}: {part}");
        }
    }

    #[test]
    fn the_plot_that_the_page_shows_is_there() {
        let parts = parts_of_the_page();
        let (_, summary) = parts.first().unwrap();
        let link = format!("]({})", summary::PLOT);
        assert_eq!(summary.matches(&link).count(), 1, "{summary}");
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        #[expect(clippy::disallowed_methods, reason = "the plot is what is looked at")]
        let plot = fs::read_to_string(docs.join(summary::PLOT)).unwrap();
        assert!(plot.starts_with("<svg ") && plot.ends_with("</svg>\n"));
    }

    #[test]
    fn every_target_that_is_missed_has_a_reason() {
        let parts = parts_of_the_page();
        let (_, summary) = parts.first().unwrap();
        let (_, table) = summary
            .split_once("| figure | measured | target | |")
            .unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| "));
        for row in rows {
            let verdict = row.rsplit_once(" | ").unwrap().1;
            let explained = verdict.contains(": ") && !verdict.contains(":  |");
            assert!(verdict == "met |" || explained, "{row}");
        }
    }

    #[test]
    fn a_part_is_replaced_between_its_marks() {
        let page = replaced(PAGE.to_owned(), &[("a", "new\n")]).unwrap();
        assert_eq!(page, PAGE.replace("old", "new"));
    }

    #[test]
    fn writing_the_same_twice_changes_nothing() {
        let parts = [("a", "one\n"), ("b", "two\n"), ("c", "three")];
        let once = replaced(PAGE.to_owned(), &parts).unwrap();
        assert_eq!(replaced(once.clone(), &parts).unwrap(), once);
    }

    #[test]
    fn a_new_part_comes_after_the_one_before_it() {
        let page = replaced(PAGE.to_owned(), &[("a", "one"), ("b", "two")]).unwrap();
        let place = |text: &str| page.find(text).unwrap();
        assert!(place("one") < place("two") && place("two") < place("Text."));
    }

    #[test]
    fn the_first_part_comes_at_the_end_where_it_is_new() {
        let page = replaced("# Title\n".to_owned(), &[("a", "one")]).unwrap();
        assert_eq!(
            page,
            "# Title\n\n<!-- a: written by `make bench` -->\n\none\n\n<!-- end of a -->\n"
        );
    }

    #[test]
    fn a_part_without_its_end_is_an_error() {
        let page = "<!-- a: written by `make bench` -->\n\nold\n".to_owned();
        let error = replaced(page, &[("a", "new")]).unwrap_err();
        assert!(error.to_string().contains("the end of a"), "{error}");
    }
}
