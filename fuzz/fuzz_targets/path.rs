//! Paths and patterns, against readers that follow the documentation word by word and know nothing
//! of segments, pieces or how to be fast.
//!
//! An input is a raw path and a pattern on a line each.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use portcullis_model::{DecodedPath, PathPattern};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (raw, pattern) = text.split_once('\n').unwrap_or((text, "/**"));
    let decoded = DecodedPath::parse(raw);
    assert_eq!(
        decoded.as_ref().ok().map(DecodedPath::as_str),
        decode(raw).as_deref(),
        "{raw:?}"
    );
    // What is no path of a request is matched as well: it must not panic either.
    for path in [raw, decoded.as_ref().map_or("/", DecodedPath::as_str)] {
        compare(pattern, path);
    }
    if let Ok(path) = decoded {
        stable(&path);
    }
});

/// A path that was decoded has one reading: decoding what it means to say gives it again.
fn stable(path: &DecodedPath) {
    let escaped: String = path
        .as_str()
        .bytes()
        .map(|byte| match byte {
            b'/' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    // A percent sign is never in it, as it could only come from `%25`.
    assert!(!path.as_str().contains('%'));
    assert_eq!(DecodedPath::parse(&escaped).as_ref(), Ok(path));
    assert_eq!(path.below(""), Some(path.as_str()));
    assert_eq!(path.below(path.as_str()), Some("/"));
    for (at, _) in path.as_str().match_indices('/').skip(1) {
        let (base, rest) = path.as_str().split_at(at);
        assert_eq!(path.below(base), Some(rest));
    }
}

/// What the documentation of [`DecodedPath`] says, byte by byte.
fn decode(raw: &str) -> Option<String> {
    if raw.is_empty() {
        return Some("/".to_owned());
    }
    let (mut bytes, mut decoded) = (raw.bytes(), Vec::new());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        let byte = u8::try_from(high * 16 + low).ok()?;
        if byte.is_ascii_alphanumeric() || b"/%.-_".contains(&byte) {
            return None;
        }
        decoded.push(byte);
    }
    let decoded = String::from_utf8(decoded).ok()?;
    let mut segments = decoded.split('/');
    let absolute = segments.next() == Some("");
    let count = segments.clone().count();
    let segments_are_plain = segments.enumerate().all(|(index, segment)| match segment {
        "" => index + 1 == count,
        "." | ".." => false,
        _ => true,
    });
    let characters_are_plain = !decoded
        .chars()
        .any(|character| character.is_control() || character == '\\' || character == ';');
    (absolute && count > 0 && segments_are_plain && characters_are_plain).then_some(decoded)
}

fn compare(pattern: &str, path: &str) {
    let inferred = PathPattern::infer(pattern);
    let tokens = tokens(pattern);
    assert_eq!(
        inferred.is_ok(),
        tokens.is_some(),
        "{pattern:?}: {inferred:?}"
    );
    let (Ok(inferred), Some(tokens)) = (inferred, tokens) else {
        return;
    };
    assert_eq!(inferred.as_str(), pattern);
    let exact = tokens.iter().all(|token| matches!(token, Token::Itself(_)));
    assert_eq!(inferred.is_exact(), exact);
    assert_eq!(inferred.exact_path().is_some(), exact);
    assert_eq!(PathPattern::parameter(pattern).is_ok(), !exact);
    if let Some(only) = inferred.exact_path() {
        assert!(inferred.matches(only));
        assert!(PathPattern::exact(only).is_ok_and(|exact| exact.matches(only)));
    }
    let expected = matches(&tokens, path);
    assert_eq!(inferred.matches(path), expected, "{pattern:?} on {path:?}");
    let captures = inferred.captures(path);
    assert_eq!(captures.is_some(), expected);
    let Some(captures) = captures else { return };
    // A parameter is a whole segment, so its place tells its value.
    let values = path.split('/').skip(1);
    let names = pattern.split('/').skip(1);
    let expected: Vec<_> = names
        .zip(values)
        .filter_map(|(name, value)| Some((name.strip_prefix('{')?.strip_suffix('}')?, value)))
        .collect();
    assert_eq!(captures, expected, "{pattern:?} on {path:?}");
    if let Some(Some(first)) = inferred.segments().next() {
        assert_eq!(path.split('/').nth(1), Some(first));
    }
}

/// What a pattern is made of.
#[derive(Debug, Clone, Copy)]
enum Token {
    Itself(char),
    /// `*`
    Star,
    /// `**`
    Rest,
    /// `{name}`
    Parameter,
}

/// The tokens of a pattern, or `None` where it is none.
fn tokens(pattern: &str) -> Option<Vec<Token>> {
    let plain = !pattern.bytes().any(|byte| byte.is_ascii_control());
    if !plain || !pattern.starts_with('/') || pattern.chars().count() > 2048 {
        return None;
    }
    let unreachable = |segment: &str| segment == "." || segment == "..";
    if pattern.contains("//") || pattern.split('/').any(unreachable) {
        return None;
    }
    let mut tokens = Vec::new();
    let mut names = HashSet::new();
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        let begins_segment = matches!(tokens.last(), Some(Token::Itself('/')));
        rest = &rest[character.len_utf8()..];
        match character {
            '\\' => {
                let escaped = rest.chars().next().filter(|next| "{}*\\".contains(*next))?;
                rest = &rest[escaped.len_utf8()..];
                tokens.push(Token::Itself(escaped));
            }
            '*' if rest.starts_with('*') => {
                if rest.len() > 1 {
                    return None;
                }
                rest = "";
                tokens.push(Token::Rest);
            }
            '*' => tokens.push(Token::Star),
            '{' if begins_segment => {
                let segment = rest.split('/').next()?;
                let name = segment.strip_suffix('}')?;
                if name.is_empty() || name.contains(['{', '}', '\\']) || !names.insert(name) {
                    return None;
                }
                rest = &rest[segment.len()..];
                tokens.push(Token::Parameter);
            }
            '{' | '}' => return None,
            other => tokens.push(Token::Itself(other)),
        }
    }
    Some(tokens)
}

/// Whether the tokens cover the path, one character after the other: the set of tokens that may
/// come next, before each character.
fn matches(tokens: &[Token], path: &str) -> bool {
    let mut next: HashSet<(usize, bool)> = HashSet::from([(0, false)]);
    next.extend(skipped(tokens, 0));
    for character in path.chars() {
        let mut after = HashSet::new();
        for &(at, begun) in &next {
            match tokens.get(at) {
                Some(Token::Itself(itself)) if *itself == character => {
                    after.insert((at + 1, false));
                    after.extend(skipped(tokens, at + 1));
                }
                Some(Token::Star) if character != '/' => {
                    after.insert((at, false));
                    after.extend(skipped(tokens, at));
                }
                Some(Token::Rest) => {
                    after.insert((at, false));
                }
                Some(Token::Parameter) if character != '/' => {
                    after.insert((at, true));
                }
                _ => {}
            }
            // A parameter ends where its segment does.
            if begun && character == '/' && matches!(tokens.get(at + 1), Some(Token::Itself('/'))) {
                after.insert((at + 2, false));
                after.extend(skipped(tokens, at + 2));
            }
        }
        next = after;
    }
    next.iter().any(|&(at, begun)| match tokens.get(at) {
        None | Some(Token::Rest) => true,
        Some(Token::Parameter) => begun && at + 1 == tokens.len(),
        Some(Token::Star | Token::Itself(_)) => false,
    })
}

/// Where one is when the stars from there on match nothing.
fn skipped(tokens: &[Token], from: usize) -> Vec<(usize, bool)> {
    let stars = tokens
        .iter()
        .skip(from)
        .take_while(|token| matches!(token, Token::Star));
    (1..=stars.count())
        .map(|stars| (from + stars, false))
        .collect()
}
