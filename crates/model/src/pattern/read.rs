//! The text of a path pattern, read into its compiled form.

use super::{Glob, InvalidPattern, MAX_PATTERN_CHARS, Segment, Shape};

/// What holds for patterns of both kinds.
pub(super) fn check_common(pattern: &str) -> Result<(), InvalidPattern> {
    if pattern.chars().count() > MAX_PATTERN_CHARS {
        return Err(InvalidPattern::TooLong);
    }
    if pattern.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(InvalidPattern::Control);
    }
    if !pattern.starts_with('/') {
        return Err(InvalidPattern::NoLeadingSlash);
    }
    if pattern.contains("//")
        || pattern
            .split('/')
            .any(|segment| segment == "." || segment == "..")
    {
        return Err(InvalidPattern::UnreachableSegment);
    }
    Ok(())
}

/// A segment while it is read: literal pieces with a `*` between them, or a parameter.
struct SegmentReader {
    pieces: Vec<String>,
    parameter: Option<String>,
}

pub(super) fn compile(pattern: &str) -> Result<Shape, InvalidPattern> {
    let mut segments: Vec<Segment> = Vec::new();
    let body = pattern.strip_prefix('/').unwrap_or(pattern);
    let mut sources = body.split('/').peekable();
    while let Some(source) = sources.next() {
        let (reader, rest) = read_segment(source)?;
        if rest {
            if sources.peek().is_some() {
                return Err(InvalidPattern::AfterDoubleWildcard);
            }
            return Ok(Shape::Segments {
                segments,
                rest: Some(Glob(reader.pieces)),
            });
        }
        let segment = match (reader.parameter, reader.pieces) {
            (Some(name), _) => {
                let taken = |segment: &Segment| matches!(segment, Segment::Parameter(other) if *other == name);
                if segments.iter().any(taken) {
                    return Err(InvalidPattern::DuplicateParameter { name });
                }
                Segment::Parameter(name)
            }
            (None, mut pieces) if pieces.len() == 1 => {
                Segment::Literal(pieces.pop().unwrap_or_default())
            }
            (None, pieces) => Segment::Glob(Glob(pieces)),
        };
        segments.push(segment);
    }
    let mut exact = String::with_capacity(pattern.len());
    for segment in &segments {
        let Segment::Literal(literal) = segment else {
            return Ok(Shape::Segments {
                segments,
                rest: None,
            });
        };
        exact.push('/');
        exact.push_str(literal);
    }
    Ok(Shape::Exact(exact))
}

/// Reads one segment; the flag says that it ends in `**`.
fn read_segment(source: &str) -> Result<(SegmentReader, bool), InvalidPattern> {
    if let Some(name) = source.strip_prefix('{') {
        let name = name
            .strip_suffix('}')
            .ok_or(InvalidPattern::PartialParameter)?;
        if name.is_empty() {
            return Err(InvalidPattern::EmptyParameter);
        }
        if name.contains(['{', '}', '\\']) {
            return Err(InvalidPattern::PartialParameter);
        }
        return Ok((
            SegmentReader {
                pieces: Vec::new(),
                parameter: Some(name.to_owned()),
            },
            false,
        ));
    }
    let mut pieces = vec![String::new()];
    let mut characters = source.chars().peekable();
    while let Some(character) = characters.next() {
        let literal = match character {
            '{' | '}' => return Err(InvalidPattern::PartialParameter),
            '*' if characters.next_if_eq(&'*').is_some() => {
                if characters.next().is_some() {
                    return Err(InvalidPattern::AfterDoubleWildcard);
                }
                return Ok((
                    SegmentReader {
                        pieces,
                        parameter: None,
                    },
                    true,
                ));
            }
            '*' => {
                pieces.push(String::new());
                continue;
            }
            '\\' => match characters.next() {
                Some(escaped @ ('{' | '}' | '\\' | '*')) => escaped,
                _ => return Err(InvalidPattern::UnknownEscape),
            },
            other => other,
        };
        if let Some(piece) = pieces.last_mut() {
            piece.push(literal);
        }
    }
    Ok((
        SegmentReader {
            pieces,
            parameter: None,
        },
        false,
    ))
}
