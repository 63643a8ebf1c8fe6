//! Path patterns of operations, with the semantics of PingOne's API Access Management
//! operations: `EXACT` and `PARAMETER` patterns, matched case-sensitively against the
//! percent-decoded path below the API service's base URL.
//!
//! A pattern is compiled once. Matching walks path and pattern once, allocates nothing and never
//! backtracks over a `/`.

mod read;

use std::cmp::Ordering;
use std::sync::Arc;

use self::read::{check_common, compile};

/// Longest pattern, in characters.
pub const MAX_PATTERN_CHARS: usize = 2048;

/// A compiled path pattern.
///
/// | in a pattern | matches |
/// |---|---|
/// | `*` | any run of characters except `/`, also an empty one |
/// | `**` | the rest of the path; nothing may follow it |
/// | `{name}` | one whole segment that is not empty, captured under that name |
/// | `\{` `\}` `\*` `\\` | that character |
/// | anything else | itself |
///
/// Clones share it: a policy has each pattern in several places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern(Arc<Compiled>);

#[derive(Debug, PartialEq, Eq)]
struct Compiled {
    source: Box<str>,
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Exact(String),
    Segments {
        segments: Vec<Segment>,
        rest: Option<Glob>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter(String),
    Glob(Glob),
}

/// Literal pieces with a `*` between each two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Glob(Vec<String>);

/// The path parameters of one match, in the order of the pattern.
pub type PathMatch<'pattern, 'path> = Vec<(&'pattern str, &'path str)>;

impl PathPattern {
    /// An `EXACT` pattern: the path must be these characters.
    pub fn exact(path: &str) -> Result<Self, InvalidPattern> {
        check_common(path)?;
        Ok(Self::new(path, Shape::Exact(path.to_owned())))
    }

    /// A `PARAMETER` pattern: must hold at least one `*`, `**` or `{name}`.
    pub fn parameter(pattern: &str) -> Result<Self, InvalidPattern> {
        let parsed = Self::infer(pattern)?;
        match parsed.0.shape {
            Shape::Exact(_) => Err(InvalidPattern::NoParameter),
            Shape::Segments { .. } => Ok(parsed),
        }
    }

    /// A pattern as it is written in a policy directory: `PARAMETER` where it holds a `*` or
    /// `{name}`, `EXACT` otherwise. Escapes are read in both.
    pub fn infer(pattern: &str) -> Result<Self, InvalidPattern> {
        check_common(pattern)?;
        let shape = compile(pattern)?;
        Ok(Self::new(pattern, shape))
    }

    fn new(source: &str, shape: Shape) -> Self {
        let source = source.into();
        Self(Arc::new(Compiled { source, shape }))
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.source
    }

    /// Whether the pattern names one path only.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        matches!(self.0.shape, Shape::Exact(_))
    }

    /// The one path that an exact pattern names.
    #[must_use]
    pub fn exact_path(&self) -> Option<&str> {
        match &self.0.shape {
            Shape::Exact(path) => Some(path),
            Shape::Segments { .. } => None,
        }
    }

    /// The segments of a pattern with parameters, up to its `**`: the text of a literal one, `None`
    /// for one that covers more than one text. Empty for an exact pattern.
    pub fn segments(&self) -> impl Iterator<Item = Option<&str>> {
        let segments = match &self.0.shape {
            Shape::Exact(_) => &[][..],
            Shape::Segments { segments, .. } => segments.as_slice(),
        };
        segments.iter().map(|segment| match segment {
            Segment::Literal(literal) => Some(literal.as_str()),
            Segment::Parameter(_) | Segment::Glob(_) => None,
        })
    }

    /// The names of the path parameters, from the left.
    pub fn parameter_names(&self) -> impl Iterator<Item = &str> {
        let segments = match &self.0.shape {
            Shape::Exact(_) => &[][..],
            Shape::Segments { segments, .. } => segments.as_slice(),
        };
        segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name.as_str()),
            Segment::Literal(_) | Segment::Glob(_) => None,
        })
    }

    /// Whether a decoded path (starting with `/`) is covered.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.walk(path, |_, _| {})
    }

    /// The path parameters, or `None` where the path is not covered.
    #[must_use]
    pub fn captures<'pattern, 'path>(
        &'pattern self,
        path: &'path str,
    ) -> Option<PathMatch<'pattern, 'path>> {
        let mut captured = Vec::new();
        self.walk(path, |name, value| captured.push((name, value)))
            .then_some(captured)
    }

    /// How narrow the pattern is; the narrower of two overlapping patterns wins.
    #[must_use]
    pub fn specificity(&self) -> Specificity {
        match &self.0.shape {
            Shape::Exact(_) => Specificity {
                exact: true,
                literal: Vec::new(),
            },
            Shape::Segments { segments, rest } => Specificity {
                exact: false,
                literal: segments
                    .iter()
                    .map(|segment| matches!(segment, Segment::Literal(_)))
                    .chain(rest.iter().map(|_| false))
                    .collect(),
            },
        }
    }

    /// The pattern from left to right, as far as it says what is matched.
    pub fn parts(&self) -> impl Iterator<Item = PatternPart<'_>> {
        let (exact, segments, rest) = match &self.0.shape {
            Shape::Exact(path) => (Some(PatternPart::Literal(path)), &[][..], None),
            Shape::Segments { segments, rest } => (None, segments.as_slice(), rest.as_ref()),
        };
        let slash = || std::iter::once(PatternPart::Literal("/"));
        let segments = segments.iter().flat_map(move |segment| {
            slash().chain(match segment {
                Segment::Literal(literal) => vec![PatternPart::Literal(literal)],
                Segment::Parameter(_) => vec![PatternPart::Segment],
                Segment::Glob(glob) => glob.parts(),
            })
        });
        let rest = rest.into_iter().flat_map(move |glob| {
            let last = std::iter::once(PatternPart::Rest);
            slash().chain(glob.parts()).chain(last)
        });
        exact.into_iter().chain(segments).chain(rest)
    }

    fn walk<'pattern, 'path>(
        &'pattern self,
        path: &'path str,
        mut capture: impl FnMut(&'pattern str, &'path str),
    ) -> bool {
        let (segments, rest) = match &self.0.shape {
            Shape::Exact(exact) => return exact == path,
            Shape::Segments { segments, rest } => (segments, rest),
        };
        let Some(mut left) = path.strip_prefix('/') else {
            return false;
        };
        for (index, segment) in segments.iter().enumerate() {
            let last = index + 1 == segments.len() && rest.is_none();
            let current = match (left.split_once('/'), last) {
                (None, true) => left,
                (Some((current, after)), false) => {
                    left = after;
                    current
                }
                _ => return false,
            };
            let matched = match segment {
                Segment::Literal(literal) => literal == current,
                Segment::Glob(glob) => glob.matches(current),
                Segment::Parameter(name) => {
                    capture(name, current);
                    !current.is_empty()
                }
            };
            if !matched {
                return false;
            }
        }
        rest.as_ref().is_none_or(|glob| glob.matches_prefix(left))
    }
}

/// A part of a path pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternPart<'pattern> {
    /// These characters; segments are separated by `/` here, too.
    Literal(&'pattern str),
    /// One whole segment that is not empty: `{name}`.
    Segment,
    /// Any run of characters except `/`: `*`.
    Run,
    /// The rest of the path: `**`.
    Rest,
}

impl Glob {
    fn parts(&self) -> Vec<PatternPart<'_>> {
        let mut parts = Vec::new();
        for (index, piece) in self.0.iter().enumerate() {
            if index > 0 {
                parts.push(PatternPart::Run);
            }
            if !piece.is_empty() {
                parts.push(PatternPart::Literal(piece));
            }
        }
        parts
    }

    fn matches(&self, text: &str) -> bool {
        let Some(left) = self.match_leading(text) else {
            return false;
        };
        match self.0.as_slice() {
            [_] => left.is_empty(),
            [.., last] => left.ends_with(last.as_str()),
            [] => text.is_empty(),
        }
    }

    /// For the segment of a `**`: its last piece is what stands before the `**`.
    fn matches_prefix(&self, text: &str) -> bool {
        let (segment, crosses) = text
            .split_once('/')
            .map_or((text, false), |(segment, _)| (segment, true));
        match self.0.as_slice() {
            [only] => text.starts_with(only.as_str()),
            [.., last] => self
                .match_leading(segment)
                .is_some_and(|left| left.contains(last.as_str())),
            [] => !crosses,
        }
    }

    /// Matches all pieces but the last, each as early as it can be, which leaves the most room
    /// for those behind it; returns what is left.
    fn match_leading<'text>(&self, text: &'text str) -> Option<&'text str> {
        let (first, others) = self.0.split_first()?;
        let mut left = text.strip_prefix(first.as_str())?;
        let middle = others.split_last().map_or(&[][..], |(_, middle)| middle);
        for piece in middle {
            let at = left.find(piece.as_str())?;
            left = left.get(at + piece.len()..)?;
        }
        Some(left)
    }
}

/// The order of overlapping patterns: greater is narrower.
///
/// An exact path before a pattern; then, segment by segment from the left, a literal segment
/// before any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Specificity {
    exact: bool,
    literal: Vec<bool>,
}

impl Ord for Specificity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.exact.cmp(&other.exact).then_with(|| {
            // A missing segment is as little literal as a wildcard, so length alone decides nothing.
            let longest = self.literal.len().max(other.literal.len());
            let at = |literal: &[bool], index| literal.get(index).copied().unwrap_or(false);
            (0..longest)
                .map(|index| at(&self.literal, index).cmp(&at(&other.literal, index)))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        })
    }
}

impl PartialOrd for Specificity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Why a path pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// Longer than [`MAX_PATTERN_CHARS`].
    #[error("a path pattern has at most {MAX_PATTERN_CHARS} characters")]
    TooLong,
    /// An ASCII control character.
    #[error("a path pattern holds no control characters")]
    Control,
    /// The pattern does not start with `/`.
    #[error("a path pattern starts with \"/\"; it is relative to the base URL of its API service")]
    NoLeadingSlash,
    /// `//`, `/./` or `/../`.
    #[error(
        "\"//\", \"/./\" and \"/../\" never match: requests with them are refused before matching"
    )]
    UnreachableSegment,
    /// A `PARAMETER` pattern without any.
    #[error(
        "a PARAMETER pattern holds \"*\", \"**\" or \"{{name}}\"; use an EXACT pattern for a plain path"
    )]
    NoParameter,
    /// `**` that is not at the end.
    #[error("\"**\" stands for the rest of the path, so nothing may follow it")]
    AfterDoubleWildcard,
    /// `{name}` that is not a whole segment, is nested or not closed.
    #[error(
        "\"{{name}}\" takes a whole segment; write \"\\{{\" or \"\\}}\" for a brace that is meant as one"
    )]
    PartialParameter,
    /// `{}`.
    #[error("\"{{}}\" has no name")]
    EmptyParameter,
    /// Two parameters with one name.
    #[error("\"{{{name}}}\" stands twice in one pattern")]
    DuplicateParameter {
        /// The name.
        name: String,
    },
    /// A backslash before something that needs none.
    #[error("a backslash escapes only \"{{\", \"}}\", \"*\" and \"\\\"")]
    UnknownEscape,
}

#[cfg(test)]
mod tests;
