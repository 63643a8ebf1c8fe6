//! Path patterns and IAM resource patterns as automata, so that what an IAM policy covers and what a
//! decision permits can be compared over all paths, not over samples.
//!
//! A pattern is a list of steps. While a path is read, a set of places in patterns says which of them
//! may still match; there are few, because a literal that does not come next drops its pattern.

use portcullis_model::{PathPattern, PatternPart};

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// This character.
    Character(char),
    /// One character other than `/`.
    NotSlash,
    /// Any run of characters other than `/`.
    RunOfSegment,
    /// Any run of characters: `*` of IAM, which crosses `/`.
    Run,
}

/// A pattern in steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Step>);

impl Pattern {
    /// What a path pattern of a policy matches.
    pub(crate) fn of_path(pattern: &PathPattern) -> Self {
        let mut steps = Vec::new();
        for part in pattern.parts() {
            match part {
                PatternPart::Literal(text) => steps.extend(text.chars().map(Step::Character)),
                PatternPart::Segment => steps.extend([Step::NotSlash, Step::RunOfSegment]),
                PatternPart::Run => steps.push(Step::RunOfSegment),
                PatternPart::Rest => steps.push(Step::Run),
            }
        }
        Self(steps)
    }

    /// What the end of a `Resource` matches, without `?`, which is not written here.
    pub(crate) fn of_resource(resource: &str) -> Self {
        let step = |character| match character {
            '*' => Step::Run,
            other => Step::Character(other),
        };
        Self(resource.chars().map(step).collect())
    }

    /// Whether some path matches both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let patterns = [self, other];
        let mut found = false;
        walk(&patterns, |places, _| {
            let both = (0..2).all(|index| accepts(&patterns, places, index));
            found = found || both;
            let alive = |index| places.iter().any(|place| place.pattern == index);
            if found || !(alive(0) && alive(1)) {
                Next::Leave
            } else {
                Next::GoOn
            }
        });
        found
    }
}

/// How a path that is read may go on.
pub(crate) enum Next {
    /// With every character that makes a difference.
    GoOn,
    /// It need not be looked at.
    Leave,
    /// Nothing more need be looked at.
    Stop,
}

/// A place in a pattern: it has matched up to that step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) pattern: usize,
    step: usize,
}

/// Most states that are looked at before a comparison is given up.
const MAX_STATES: usize = 20_000;

/// Reads every path that makes a difference to some pattern, telling `visit` the places reached and
/// how the path reads so far. False where there were too many, or `visit` said stop.
pub(crate) fn walk(
    patterns: &[&Pattern],
    mut visit: impl FnMut(&[Place], Reading) -> Next,
) -> bool {
    let mut start: Vec<Place> = Vec::new();
    for pattern in 0..patterns.len() {
        push(patterns, &mut start, Place { pattern, step: 0 });
    }
    let first = (start, Reading::Start);
    let mut seen = std::collections::HashSet::from([first.clone()]);
    let mut waiting = vec![first];
    while let Some((places, reading)) = waiting.pop() {
        match visit(&places, reading) {
            Next::GoOn => {}
            Next::Leave => continue,
            Next::Stop => return false,
        }
        for character in alphabet(patterns, &places) {
            let next = (read(patterns, &places, character), reading.then(character));
            if next.0.is_empty() || seen.contains(&next) {
                continue;
            }
            if seen.len() >= MAX_STATES {
                return false;
            }
            seen.insert(next.clone());
            waiting.push(next);
        }
    }
    true
}

/// Whether that pattern matches a path that ends here.
pub(crate) fn accepts(patterns: &[&Pattern], places: &[Place], pattern: usize) -> bool {
    let length = patterns.get(pattern).map_or(0, |pattern| pattern.0.len());
    places
        .binary_search(&Place {
            pattern,
            step: length,
        })
        .is_ok()
}

/// Whether that pattern matches the path however it goes on.
pub(crate) fn accepts_all(patterns: &[&Pattern], places: &[Place], pattern: usize) -> bool {
    let steps = patterns.get(pattern).map_or(&[][..], |pattern| &pattern.0);
    let Some((last, Step::Run)) = steps
        .iter()
        .enumerate()
        .next_back()
        .map(|(at, step)| (at, *step))
    else {
        return false;
    };
    places
        .binary_search(&Place {
            pattern,
            step: last,
        })
        .is_ok()
}

/// A character that stands for every one that no pattern and no rule of paths names.
const ANY_OTHER: char = '\u{1}';

/// The characters that lead to different places.
fn alphabet(patterns: &[&Pattern], places: &[Place]) -> Vec<char> {
    let mut characters = vec!['/', '.', '%', ';', '\\', ANY_OTHER];
    for place in places {
        if let Some(Step::Character(character)) = step_at(patterns, *place) {
            characters.push(character);
        }
    }
    characters.sort_unstable();
    characters.dedup();
    characters
}

fn read(patterns: &[&Pattern], places: &[Place], character: char) -> Vec<Place> {
    let mut next = Vec::new();
    for place in places {
        let after = Place {
            step: place.step + 1,
            ..*place
        };
        match step_at(patterns, *place) {
            Some(Step::Character(expected)) if expected == character => {
                push(patterns, &mut next, after);
            }
            Some(Step::NotSlash) if character != '/' => push(patterns, &mut next, after),
            Some(Step::RunOfSegment) if character != '/' => push(patterns, &mut next, *place),
            Some(Step::Run) => push(patterns, &mut next, *place),
            _ => {}
        }
    }
    next
}

/// Adds a place and, as a run may be empty, those behind the runs that start there. Keeps the order.
fn push(patterns: &[&Pattern], places: &mut Vec<Place>, mut place: Place) {
    loop {
        let Err(at) = places.binary_search(&place) else {
            return;
        };
        places.insert(at, place);
        match step_at(patterns, place) {
            Some(Step::Run | Step::RunOfSegment) => place.step += 1,
            _ => return,
        }
    }
}

fn step_at(patterns: &[&Pattern], place: Place) -> Option<Step> {
    patterns.get(place.pattern)?.0.get(place.step).copied()
}

/// How a path reads so far, in the eyes of whoever refuses ambiguous ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reading {
    /// Nothing read.
    Start,
    /// At the start of a segment.
    Segment,
    /// In a segment that is `.` so far.
    Dot,
    /// In a segment that is `..` so far.
    Dots,
    /// In any other segment.
    Plain,
    /// Refused, however it goes on.
    Refused,
}

impl Reading {
    fn then(self, character: char) -> Self {
        match (self, character) {
            (Self::Start | Self::Plain, '/') => Self::Segment,
            (Self::Refused | Self::Start, _)
            | (_, '%' | ';' | '\\')
            | (Self::Segment | Self::Dot | Self::Dots, '/') => Self::Refused,
            (Self::Segment, '.') => Self::Dot,
            (Self::Dot, '.') => Self::Dots,
            _ => Self::Plain,
        }
    }

    /// Whether a path that ends here is taken.
    pub(crate) const fn is_path(self) -> bool {
        matches!(self, Self::Segment | Self::Plain)
    }
}

/// Whether an IAM pattern matches a text, `*` any run and `?` any one character (IAM User Guide, "IAM
/// JSON policy elements: Resource").
pub(crate) fn iam_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut place) = (0, 0);
    // Where to go on if what follows the last `*` does not fit: one character further.
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(place) {
            Some('*') => {
                retry = Some((place, at));
                place += 1;
            }
            Some(expected) if *expected == '?' || text.get(at) == Some(expected) => {
                at += 1;
                place += 1;
            }
            _ => {
                let Some((star, from)) = retry else {
                    return false;
                };
                retry = Some((star, from + 1));
                place = star + 1;
                at = from + 1;
            }
        }
    }
    pattern.iter().skip(place).all(|left| *left == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iam_patterns_match_as_documented() {
        for (pattern, text) in [
            ("a", "a"),
            ("a*", "a"),
            ("a*", "a/b/c"),
            ("a*c", "abcbc"),
            ("*a*b*", "xaxbx"),
            ("a?c", "a/c"),
            ("*", ""),
        ] {
            assert!(iam_matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a", "b"),
            ("a?", "a"),
            ("a*c", "abcb"),
            ("", "a"),
            ("*a", "b"),
        ] {
            assert!(!iam_matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_meet_where_a_path_matches_both() {
        let path = |text: &str| Pattern::of_path(&PathPattern::infer(text).unwrap());
        let resource = Pattern::of_resource;
        assert!(path("/a/{x}").meets(&resource("/a/*")));
        assert!(path("/a/{x}/b").meets(&resource("/a/*")));
        assert!(path("/a/**").meets(&resource("/a/b/c")));
        assert!(path("/a/v*").meets(&resource("/a/v")));
        assert!(!path("/a/{x}").meets(&resource("/a/*/*")));
        assert!(!path("/a/{x}").meets(&resource("/a/")));
        assert!(!path("/a").meets(&resource("/b*")));
    }
}
