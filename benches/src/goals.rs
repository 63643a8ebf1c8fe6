//! What a figure has to be, and what is said where it is not.

use std::fmt;

/// The bound of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone)]
pub(crate) struct Goal {
    /// Of what it is the figure.
    pub(crate) figure: String,
    value: f64,
    target: Target,
    unit: Unit,
    /// Why it is missed, where it is.
    why: String,
}

impl Goal {
    pub(crate) fn new(figure: &str, value: f64, target: Target, unit: Unit) -> Self {
        Self {
            figure: figure.to_owned(),
            value,
            target,
            unit,
            why: String::new(),
        }
    }

    /// The one of several values that is nearest to the target or farthest behind it. Without values it is missed.
    pub(crate) fn worst(
        figure: &str,
        values: impl IntoIterator<Item = f64>,
        target: Target,
        unit: Unit,
    ) -> Self {
        let values = values.into_iter();
        let value = match target {
            Target::AtLeast(_) => values.fold(f64::NAN, f64::min),
            _ => values.fold(f64::NAN, f64::max),
        };
        Self::new(figure, value, target, unit)
    }

    /// With the reason, which is shown where the target is missed.
    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// Whether the target is met.
    pub(crate) fn met(&self) -> bool {
        self.target.met(self.value)
    }

    /// The target in its unit.
    pub(crate) fn target(&self) -> String {
        self.target.shown(self.unit)
    }

    /// `met` or not.
    pub(crate) fn verdict(&self) -> &'static str {
        self.target.verdict(self.value)
    }

    /// The row of the table: figure, measured, target, and whether it is met or else by how much not and why.
    pub(crate) fn row(&self) -> String {
        let verdict = if self.met() {
            "met".to_owned()
        } else {
            let by = self.target.missed_by(self.value);
            let why = if self.why.is_empty() { "" } else { ": " };
            format!("**not met** by {by:.1} %{why}{}", self.why)
        };
        format!(
            "| {} | {} | {} | {verdict} |",
            self.figure,
            self.unit.shown(self.value),
            self.target()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Goal, Target, Unit};

    #[test]
    fn a_met_target_says_nothing_more() {
        let goal = Goal::new("start", 1.53e-3, Target::AtMost(15e-3), Unit::Seconds);
        let goal = goal.because("never shown");
        assert_eq!(goal.row(), "| start | 1.53 ms | at most 15 ms | met |");
    }

    #[test]
    fn a_missed_target_says_by_how_much_and_why() {
        let slow = Goal::new("decision", 6e-6, Target::AtMost(5e-6), Unit::Seconds);
        assert_eq!(
            slow.because("parsing").row(),
            "| decision | 6.00 µs | at most 5 µs | **not met** by 20.0 %: parsing |"
        );
        let few = Goal::new("to peer", 4.0, Target::AtLeast(5.0), Unit::Times);
        assert_eq!(
            few.row(),
            "| to peer | 4.00 | at least 5.00 | **not met** by 20.0 % |"
        );
    }

    #[test]
    fn exactly_the_target_is_met() {
        assert!(Goal::new("", 5.0, Target::AtLeast(5.0), Unit::Times).met());
        assert!(Goal::new("", 5.0, Target::AtMost(5.0), Unit::Times).met());
        assert!(!Goal::new("", 4.99, Target::AtLeast(5.0), Unit::Times).met());
        assert!(!Goal::new("", 5.01, Target::AtMost(5.0), Unit::Times).met());
    }

    #[test]
    fn the_worst_value_depends_on_the_direction() {
        let values = [3.0, 7.0, 5.0];
        let least = Goal::worst("", values, Target::AtLeast(5.0), Unit::Times);
        assert!(least.row().contains("| 3.00 |"));
        let most = Goal::worst("", values, Target::AtMost(5.0), Unit::Times);
        assert!(most.row().contains("| 7.00 |"));
    }

    #[test]
    fn without_values_nothing_is_met() {
        assert!(!Goal::worst("", [], Target::AtLeast(5.0), Unit::Times).met());
        assert!(!Goal::worst("", [], Target::AtMost(5.0), Unit::Times).met());
    }

    #[test]
    fn sizes_have_their_unit() {
        assert_eq!(Unit::Bytes.shown(5.35e6), "5.35 MB");
        assert_eq!(Unit::Bytes.shown(576e3), "576.00 KB");
    }
}
