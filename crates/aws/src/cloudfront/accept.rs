//! Whether a request is a browser's navigation, as far as its `Accept` header tells (RFC 9110 section
//! 12.5.1).

use portcullis_model::HeaderMap;

/// Quality values in thousandths.
const WHOLE: u16 = 1000;

/// Whether HTML is asked for by name, nothing is preferred to it, and JSON is wanted less or not at all.
///
/// A browser that follows a link asks for `text/html` first. Scripts ask for `*/*` or for JSON, and a
/// redirect to a login page would only break them.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    let mut html = 0;
    let mut best = 0;
    let mut json = 0;
    let ranges = headers
        .values("accept")
        .flat_map(|value| value.split(','))
        .map(str::trim);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = quality(parts);
        // A quality that cannot be read speaks against a navigation.
        best = best.max(quality.unwrap_or(WHOLE));
        if media == "text/html" {
            html = html.max(quality.unwrap_or(0));
        } else if media == "application/json" || media.ends_with("+json") {
            json = json.max(quality.unwrap_or(WHOLE));
        }
    }
    html > json && html == best
}

/// The weight among parameters, [`WHOLE`] where there is none; `None` for one that is malformed.
fn quality<'part>(mut parameters: impl Iterator<Item = &'part str>) -> Option<u16> {
    let Some(weight) = parameters.find_map(|part| {
        let (name, weight) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| weight.trim())
    }) else {
        return Some(WHOLE);
    };
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let whole = match whole {
        "0" => 0,
        "1" => WHOLE,
        _ => return None,
    };
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    (digits && whole + fraction <= WHOLE).then(|| whole + fraction)
}
