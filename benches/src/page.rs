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
    use super::replaced;

    const PAGE: &str =
        "# Title\n\n<!-- a: written by `make bench` -->\n\nold\n\n<!-- end of a -->\n\nText.\n";

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
