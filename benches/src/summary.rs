//! The head of docs/benchmarks.md: the plot, the table of every target, the versions and the machine.

use std::fmt::Write as _;

use anyhow::Result;

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
    /// Of all parts of one run. `others` is what other programs took of the machine meanwhile, in percent.
    pub(crate) fn new(sections: &[&Section], others: f64) -> Result<Self> {
        let run = format!(
            "{}; other programs took {others:.0} % of the processors meanwhile",
            machine()?
        );
        let panels: Vec<_> = sections
            .iter()
            .flat_map(|section| section.panels.clone())
            .collect();
        let described = plot::described(&panels).replace(['[', ']', '\n'], " ");
        let mut text =
            format!("![{described}]({PLOT})\n\nEverything below is from one run: {run}.\n\n");
        versions(&mut text, sections)?;
        targets(&mut text, sections)?;
        Ok(Self {
            svg: plot::drawing(&panels, &run)?,
            text,
        })
    }
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
    writeln!(text, "\n{met} of {} targets are met.\n", goals().count())?;
    text.push_str("| figure | measured | target | |\n|---|---|---|---|\n");
    for goal in goals() {
        writeln!(text, "{}", goal.row())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Section, Summary};
    use crate::goals::{Goal, Target, Unit};
    use crate::plot::{Bar, Panel, Whose};

    fn section(name: &str, value: f64) -> Section {
        let bar = Bar {
            whose: Whose::Portcullis,
            label: "Portcullis".to_owned(),
            value,
            half: None,
            shown: format!("{value} of [{name}]"),
        };
        Section {
            text: String::new(),
            goals: vec![Goal::new(
                name,
                value,
                Target::AtMost(2.0),
                Unit::Times,
                "because",
            )],
            panels: vec![Panel {
                title: name.to_owned(),
                note: String::new(),
                bars: vec![bar],
            }],
            versions: vec![("Node.js".to_owned(), "v20".to_owned())],
        }
    }

    #[test]
    fn every_part_is_in_table_and_plot() {
        let (first, second) = (section("first", 1.0), section("second", 3.0));
        let summary = Summary::new(&[&first, &second], 12.3).unwrap();
        assert!(summary.text.contains("1 of 2 targets are met."));
        assert!(
            summary
                .text
                .contains("| first | 1.00 | at most 2.00 | met |")
        );
        assert!(
            summary
                .text
                .contains("| second | 3.00 | at most 2.00 | **not met** by 50.0 %: because |")
        );
        assert!(summary.text.contains("other programs took 12 %"));
        assert_eq!(summary.text.matches("| Node.js | v20 |").count(), 1);
        for title in [">first<", ">second<"] {
            assert!(summary.svg.contains(title), "{title}");
        }
    }

    #[test]
    fn the_alternative_text_does_not_end_early() {
        let part = section("first", 1.0);
        let text = Summary::new(&[&part], 0.0).unwrap().text;
        let (alternative, _) = text.strip_prefix("![").unwrap().split_once("](").unwrap();
        assert!(!alternative.contains(['[', ']', '\n']), "{alternative}");
    }
}
