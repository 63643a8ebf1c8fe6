//! The head of docs/benchmarks.md: the plot, the table of every target, the versions and the machine.

use std::fmt::Write as _;

use anyhow::Result;

use crate::kept::Part;
use crate::plot;
use crate::report::{locked, machine};
use crate::section::Section;

/// The plot, beside the page.
pub(crate) const PLOT: &str = "benchmarks.svg";

/// What a whole run comes to.
pub(crate) struct Summary {
    /// For the page.
    pub(crate) text: String,
    /// The plot.
    pub(crate) svg: String,
}

impl Summary {
    /// Of all parts. Those that ended before this run began, in seconds since 1970, are of an earlier one.
    pub(crate) fn new(parts: &[(&str, Part)], begin: u64) -> Result<Self> {
        let sections: Vec<_> = parts.iter().map(|(_, part)| &part.section).collect();
        let ticks: f64 = parts.iter().map(|(_, part)| part.ticks).sum();
        let others = parts.iter().map(|(_, part)| part.others * part.ticks);
        let run = format!(
            "{}; other programs took {:.0} % of the processors meanwhile",
            machine()?,
            others.sum::<f64>() / ticks
        );
        let panels: Vec<_> = sections
            .iter()
            .flat_map(|section| section.panels.clone())
            .collect();
        let described = plot::described(&panels).replace(['[', ']', '\n'], " ");
        let mut text = format!("![{described}]({PLOT})\n\n");
        match earlier(parts, begin) {
            None => writeln!(text, "Everything below is from one run: {run}.\n")?,
            Some(earlier) => writeln!(
                text,
                "Everything below is of one state of the sources on one machine: {run}. It was not measured in one go: {earlier}.\n"
            )?,
        }
        versions(&mut text, &sections)?;
        targets(&mut text, &sections)?;
        Ok(Self {
            svg: plot::drawing(&panels, &run)?,
            text,
        })
    }
}

/// Which parts are of an earlier run, and how much earlier.
fn earlier(parts: &[(&str, Part)], begin: u64) -> Option<String> {
    let before: Vec<_> = parts
        .iter()
        .filter(|(_, part)| part.at <= begin)
        .map(|(name, part)| {
            let minutes = (begin - part.at).div_ceil(60);
            format!("*{name}* {minutes} minutes")
        })
        .collect();
    (!before.is_empty()).then(|| {
        format!(
            "these ended so long before the last run began, in one that was interrupted or had a part that failed: {}",
            before.join(", ")
        )
    })
}

fn versions(text: &mut String, sections: &[&Section]) -> Result<()> {
    let mut versions = vec![(
        "Portcullis".to_owned(),
        locked("portcullis-bench")?.to_owned(),
    )];
    for version in sections.iter().flat_map(|section| &section.versions) {
        if !versions.contains(version) {
            versions.push(version.clone());
        }
    }
    text.push_str("| measured | version |\n|---|---|\n");
    for (name, version) in versions {
        writeln!(text, "| {name} | {version} |")?;
    }
    Ok(())
}

fn targets(text: &mut String, sections: &[&Section]) -> Result<()> {
    let goals = || sections.iter().flat_map(|section| &section.goals);
    let met = goals().filter(|goal| goal.met()).count();
    write!(text, "\n{met} of {} targets are met", goals().count())?;
    match goals().filter(|goal| !goal.is_measured()).count() {
        0 => text.push_str(".\n\n"),
        unmeasured => writeln!(text, ", and {unmeasured} could not be measured here.\n")?,
    }
    text.push_str("| figure | measured | target | |\n|---|---|---|---|\n");
    for goal in goals() {
        writeln!(text, "{}", goal.row())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Part, Section, Summary};
    use crate::goals::{Goal, Target, Unit};
    use crate::plot::{Bar, Panel, Whose};

    const BEGIN: u64 = 1_790_000_000;

    /// A part with one figure, during which other programs took so much, and which ended so many seconds after the begin.
    fn part(name: &str, value: f64, others: f64, after: i64) -> Part {
        let target = Target::AtMost(2.0);
        let bar = Bar {
            whose: Whose::Portcullis,
            label: "Portcullis".to_owned(),
            value,
            half: None,
            shown: format!("{value} of [{name}]"),
        };
        let section = Section {
            text: String::new(),
            goals: vec![Goal::new(name, value, target, Unit::Times, "because")],
            panels: vec![Panel {
                title: name.to_owned(),
                note: String::new(),
                bars: vec![bar],
            }],
            versions: vec![("Node.js".to_owned(), "v20".to_owned())],
        };
        let part = json!({
            "section": section, "others": others, "ticks": if name == "first" { 300.0 } else { 100.0 },
            "at": BEGIN.checked_add_signed(after).unwrap(), "state": "",
        });
        serde_json::from_value(part).unwrap()
    }

    #[test]
    fn every_part_is_in_table_and_plot() {
        let parts = [
            ("first", part("first", 1.0, 10.0, 60)),
            ("second", part("second", 3.0, 30.0, 90)),
        ];
        let summary = Summary::new(&parts, BEGIN).unwrap();
        assert!(summary.text.contains("from one run"));
        assert!(summary.text.contains("1 of 2 targets are met.\n"));
        for row in [
            "| first | 1.00 | at most 2.00 | met |",
            "| second | 3.00 | at most 2.00 | **not met** by 50.0 %: because |",
        ] {
            assert!(summary.text.contains(row), "{}", summary.text);
        }
        // The first took three times as long.
        assert!(summary.text.contains("other programs took 15 %"));
        assert_eq!(summary.text.matches("| Node.js | v20 |").count(), 1);
        for title in [">first<", ">second<"] {
            assert!(summary.svg.contains(title), "{title}");
        }
    }

    #[test]
    fn the_page_says_what_is_of_an_earlier_run() {
        let parts = [
            ("first", part("first", 1.0, 10.0, -601)),
            ("second", part("second", 1.0, 10.0, 90)),
        ];
        let text = Summary::new(&parts, BEGIN).unwrap().text;
        assert!(!text.contains("from one run"), "{text}");
        assert!(text.contains("not measured in one go"), "{text}");
        assert!(text.contains("failed: *first* 11 minutes.\n"), "{text}");
    }

    #[test]
    fn what_could_not_be_measured_is_counted() {
        let mut one = part("first", 1.0, 0.0, 1);
        let target = Target::AtMost(2.0);
        let goal = Goal::not_measured("second", target, Unit::Times, "no peer");
        one.section.goals.push(goal);
        let text = Summary::new(&[("first", one)], BEGIN).unwrap().text;
        let said = "1 of 2 targets are met, and 1 could not be measured here.";
        assert!(text.contains(said), "{text}");
    }

    #[test]
    fn the_alternative_text_does_not_end_early() {
        let parts = [("first", part("first", 1.0, 0.0, 1))];
        let text = Summary::new(&parts, BEGIN).unwrap().text;
        let (alternative, _) = text.strip_prefix("![").unwrap().split_once("](").unwrap();
        assert!(!alternative.contains(['[', ']', '\n']), "{alternative}");
    }
}
