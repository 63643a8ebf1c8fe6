//! What a figure has to be, and what is said where it is not.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The bound of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    None,
}

impl Target {
    pub(crate) fn met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::None => true,
        }
    }

    /// `met` or not, for a table; nothing where there is no target.
    pub(crate) fn verdict(self, value: f64) -> &'static str {
        match self {
            Self::None => "",
            _ if self.met(value) => "met",
            _ => "**not met**",
        }
    }

    /// What the figure is in that unit, with the word for the direction.
    fn shown(self, unit: Unit) -> String {
        match self {
            Self::AtMost(most) => format!("at most {}", unit.round(most)),
            Self::AtLeast(least) => format!("at least {}", unit.round(least)),
            Self::None => "—".to_owned(),
        }
    }

    /// The share of the target by which it is missed, in percent.
    fn missed_by(self, value: f64) -> f64 {
        match self {
            Self::AtMost(most) => 100.0 * (value / most - 1.0),
            Self::AtLeast(least) => 100.0 * (1.0 - value / least),
            Self::None => 0.0,
        }
    }
}

/// As a ratio.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(Unit::Times))
    }
}

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    Times,
}

impl Unit {
    /// A measured value, in the unit that suits its size.
    pub(crate) fn shown(self, value: f64) -> String {
        let (factor, name) = self.scale(value);
        match self {
            Self::Times => format!("{value:.2}"),
            _ => format!("{:.2} {name}", value * factor),
        }
    }

    /// A target, which is a round number.
    fn round(self, value: f64) -> String {
        let (factor, name) = self.scale(value);
        match self {
            Self::Times => format!("{value:.2}"),
            _ => format!("{:.0} {name}", value * factor),
        }
    }

    /// How many of the shown unit one of the value has, and its name.
    pub(crate) fn scale(self, value: f64) -> (f64, &'static str) {
        match self {
            Self::Seconds if value < 1e-3 => (1e6, "µs"),
            Self::Seconds => (1e3, "ms"),
            Self::Bytes if value < 1e6 => (1e-3, "KB"),
            Self::Bytes => (1e-6, "MB"),
            Self::Times => (1.0, ""),
        }
    }
}

/// A figure with its target, for the table of all of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Goal {
    /// Of what it is the figure.
    pub(crate) figure: String,
    /// What was measured, where it could be.
    value: Option<f64>,
    target: Target,
    unit: Unit,
    /// Why the target is missed, where it is, or why nothing was measured.
    why: String,
}

impl Goal {
    /// `why` is what there is to say where the target is missed. Whoever sets a target says it beforehand: in the run that
    /// misses it nobody is there to ask.
    pub(crate) fn new(
        figure: &str,
        value: f64,
        target: Target,
        unit: Unit,
        why: impl Into<String>,
    ) -> Self {
        Self {
            figure: figure.to_owned(),
            value: Some(value),
            target,
            unit,
            why: why.into(),
        }
    }

    /// The one of several values that is nearest to the target or farthest behind it. Without values nothing was measured.
    pub(crate) fn worst(
        figure: &str,
        values: impl IntoIterator<Item = f64>,
        target: Target,
        unit: Unit,
        why: impl Into<String>,
    ) -> Self {
        let values = values.into_iter();
        let value = match target {
            Target::AtLeast(_) => values.reduce(f64::min),
            _ => values.reduce(f64::max),
        };
        Self {
            figure: figure.to_owned(),
            value,
            target,
            unit,
            why: why.into(),
        }
    }

    /// One whose figure cannot be had on this machine, and why.
    pub(crate) fn not_measured(
        figure: &str,
        target: Target,
        unit: Unit,
        why: impl Into<String>,
    ) -> Self {
        Self::worst(figure, [], target, unit, why)
    }

    /// Whether something was measured.
    pub(crate) const fn is_measured(&self) -> bool {
        self.value.is_some()
    }

    /// Whether the target is met.
    pub(crate) fn met(&self) -> bool {
        self.value.is_some_and(|value| self.target.met(value))
    }

    /// The target in its unit.
    pub(crate) fn target(&self) -> String {
        self.target.shown(self.unit)
    }

    /// `met` or not.
    pub(crate) fn verdict(&self) -> &'static str {
        self.value
            .map_or("not measured", |value| self.target.verdict(value))
    }

    /// The row of the table: figure, measured, target, and whether it is met or else by how much not and why.
    pub(crate) fn row(&self) -> String {
        let Self { figure, why, .. } = self;
        let target = self.target();
        match self.value {
            None => format!("| {figure} | — | {target} | not measured: {why} |"),
            Some(value) if self.target.met(value) => {
                format!("| {figure} | {} | {target} | met |", self.unit.shown(value))
            }
            Some(value) => format!(
                "| {figure} | {} | {target} | **not met** by {:.1} %: {why} |",
                self.unit.shown(value),
                self.target.missed_by(value)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Goal, Target, Unit};

    const WHY: &str = "parsing";

    fn ratio(value: f64, target: Target) -> Goal {
        Goal::new("to peer", value, target, Unit::Times, WHY)
    }

    #[test]
    fn a_met_target_says_nothing_more() {
        let goal = Goal::new("start", 1.53e-3, Target::AtMost(15e-3), Unit::Seconds, WHY);
        assert_eq!(goal.row(), "| start | 1.53 ms | at most 15 ms | met |");
    }

    #[test]
    fn a_missed_target_says_by_how_much_and_why() {
        let slow = Goal::new("decision", 6e-6, Target::AtMost(5e-6), Unit::Seconds, WHY);
        assert_eq!(
            slow.row(),
            "| decision | 6.00 µs | at most 5 µs | **not met** by 20.0 %: parsing |"
        );
        assert_eq!(
            ratio(4.0, Target::AtLeast(5.0)).row(),
            "| to peer | 4.00 | at least 5.00 | **not met** by 20.0 %: parsing |"
        );
    }

    #[test]
    fn exactly_the_target_is_met() {
        assert!(ratio(5.0, Target::AtLeast(5.0)).met());
        assert!(ratio(5.0, Target::AtMost(5.0)).met());
        assert!(!ratio(4.99, Target::AtLeast(5.0)).met());
        assert!(!ratio(5.01, Target::AtMost(5.0)).met());
    }

    #[test]
    fn the_worst_value_depends_on_the_direction() {
        let values = [3.0, 7.0, 5.0];
        let least = Goal::worst("", values, Target::AtLeast(5.0), Unit::Times, WHY);
        assert!(least.row().contains("| 3.00 |"));
        let most = Goal::worst("", values, Target::AtMost(5.0), Unit::Times, WHY);
        assert!(most.row().contains("| 7.00 |"));
    }

    #[test]
    fn what_was_not_measured_is_not_met_and_says_why() {
        for target in [Target::AtLeast(5.0), Target::AtMost(5.0)] {
            assert!(!Goal::worst("", [], target, Unit::Times, WHY).met());
        }
        let target = Target::AtLeast(5.0);
        let goal = Goal::not_measured("to peer", target, Unit::Times, "no peer");
        assert!(!goal.is_measured());
        assert_eq!(
            goal.row(),
            "| to peer | — | at least 5.00 | not measured: no peer |"
        );
    }

    #[test]
    fn a_goal_is_the_same_after_an_interruption() {
        let none = Goal::worst("", [], Target::AtMost(5.0), Unit::Seconds, WHY);
        for goal in [ratio(4.0, Target::AtLeast(5.0)), none] {
            let kept = serde_json::to_string(&goal).unwrap();
            let again: Goal = serde_json::from_str(&kept).unwrap();
            assert_eq!(again.row(), goal.row());
        }
    }

    #[test]
    fn sizes_have_their_unit() {
        assert_eq!(Unit::Bytes.shown(5.35e6), "5.35 MB");
        assert_eq!(Unit::Bytes.shown(576e3), "576.00 KB");
    }
}
