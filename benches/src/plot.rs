//! The figures as bars: docs/benchmarks.svg, written by hand, readable on light and on dark.

use std::fmt::Write as _;

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// Everything below is in the units of the drawing, which are pixels at its own size.
const WIDTH: f64 = 960.0;
const MARGIN: f64 = 20.0;
const GAP: f64 = 28.0;
const COLUMNS: usize = 2;
const PANEL: f64 = (WIDTH - 2.0 * MARGIN - GAP) / 2.0;
/// The title of the whole.
const TOP: f64 = 62.0;
/// The title of a panel, and what stands between panels.
const HEAD: f64 = 46.0;
const FOOT: f64 = 26.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;
/// Where bars begin, right of their names, and how long they may be, left of their values.
const LABEL: f64 = 164.0;
const LENGTH: f64 = PANEL - LABEL - 116.0;

const STYLE: &str = "text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 } \
.title { font-size: 18px; font-weight: 600 } .panel { font-size: 14px; font-weight: 600 } .note { font-size: 12px; fill: #59636e } \
.label { text-anchor: end } .value { font-size: 12px } .page { fill: #ffffff } .own { fill: #0969da } .peer { fill: #9aa4af } \
.half { stroke: #1f2328; stroke-width: 1.5 } \
@media (prefers-color-scheme: dark) { text { fill: #f0f6fc } .note { fill: #9198a1 } .page { fill: #0d1117 } .own { fill: #4493f8 } \
.peer { fill: #656c76 } .half { stroke: #f0f6fc } }";

/// Several bars from the same zero, the first of which is Portcullis' and what the others are compared with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Panel {
    pub(crate) title: String,
    /// What the value is of, and which direction is the better one.
    pub(crate) note: String,
    pub(crate) bars: Vec<Bar>,
}

/// One bar.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bar {
    pub(crate) whose: Whose,
    pub(crate) label: String,
    pub(crate) value: f64,
    /// Between what the middle half of the rounds lies, where there are rounds.
    pub(crate) half: Option<(f64, f64)>,
    /// The value in its unit.
    pub(crate) shown: String,
}

/// Whose figure it is, which is the colour of its bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Whose {
    Portcullis,
    Peer,
}

/// The whole drawing, with a line on what was measured and where.
pub(crate) fn drawing(panels: &[Panel], subtitle: &str) -> Result<String> {
    let rows = panels.chunks(COLUMNS);
    let height = TOP + rows.clone().map(row_height).sum::<f64>() + MARGIN - FOOT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
         aria-labelledby=\"title desc\">\n<title id=\"title\">Portcullis and its peers</title>\n<desc id=\"desc\">{}</desc>\n\
         <style>{STYLE}</style>\n<rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"32\">Portcullis and its peers</text>\n\
         <text class=\"note\" x=\"{MARGIN}\" y=\"51\">{}</text>\n",
        escaped(&described(panels)),
        escaped(subtitle),
    );
    let mut y = TOP;
    for row in rows {
        let mut x = MARGIN;
        for panel in row {
            draw(&mut svg, panel, x, y)?;
            x += PANEL + GAP;
        }
        y += row_height(row);
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// The panels in words, for who does not see them.
pub(crate) fn described(panels: &[Panel]) -> String {
    let panels = panels.iter().map(|panel| {
        let bars = panel.bars.iter();
        let bars: Vec<_> = bars
            .map(|bar| format!("{} {}", bar.label, bar.shown))
            .collect();
        format!("{}: {}.", panel.title, bars.join("; "))
    });
    panels.collect::<Vec<_>>().join(" ")
}

fn row_height(row: &[Panel]) -> f64 {
    let bars = row.iter().map(|panel| STEP * count(panel.bars.len()));
    HEAD + bars.fold(0.0, f64::max) + FOOT
}

fn draw(svg: &mut String, panel: &Panel, x: f64, y: f64) -> Result<()> {
    writeln!(
        svg,
        "<g transform=\"translate({x} {y})\">\n<text class=\"panel\" y=\"16\">{}</text>\n<text class=\"note\" y=\"34\">{}</text>",
        escaped(&panel.title),
        escaped(&panel.note)
    )?;
    let own = panel.bars.first().map_or(f64::NAN, |bar| bar.value);
    let ends = panel
        .bars
        .iter()
        .map(|bar| bar.half.map_or(bar.value, |(_, high)| high.max(bar.value)));
    let most = ends.fold(0.0, f64::max);
    let scale = if most > 0.0 { LENGTH / most } else { 0.0 };
    for (at, bar) in panel.bars.iter().enumerate() {
        let top = HEAD + STEP * count(at);
        let middle = top + BAR / 2.0;
        // Something of every bar is to be seen.
        let length = (bar.value * scale).max(1.0);
        let class = match bar.whose {
            Whose::Portcullis => "own",
            Whose::Peer => "peer",
        };
        let ratio = if at == 0 {
            String::new()
        } else {
            format!(" · {}", ratio(bar.value / own))
        };
        writeln!(
            svg,
            "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n\
             <rect class=\"{class}\" x=\"{LABEL}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\"/>",
            LABEL - 8.0,
            middle + 4.5,
            escaped(&bar.label),
        )?;
        let mut end = length;
        if let Some((low, high)) = bar.half {
            end = end.max(high * scale);
            let (low, high) = (LABEL + low * scale, LABEL + high * scale);
            writeln!(
                svg,
                "<path class=\"half\" d=\"M{low:.1} {middle:.1}H{high:.1}\"/>"
            )?;
        }
        writeln!(
            svg,
            "<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{}{ratio}</text>",
            LABEL + end + 6.0,
            middle + 4.5,
            escaped(&bar.shown),
        )?;
    }
    svg.push_str("</g>\n");
    Ok(())
}

/// How many times the value of Portcullis: `27×`, `1.69×`, or `1/7.7` where it is much less.
fn ratio(ratio: f64) -> String {
    if ratio >= 9.95 {
        format!("{ratio:.0}×")
    } else if ratio >= 0.5 {
        format!("{ratio:.2}×")
    } else {
        format!("1/{:.1}", 1.0 / ratio)
    }
}

/// A text between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::{Bar, Panel, Whose, drawing, ratio};

    fn bar(label: &str, value: f64) -> Bar {
        Bar {
            whose: if label == "Portcullis" {
                Whose::Portcullis
            } else {
                Whose::Peer
            },
            label: label.to_owned(),
            value,
            half: Some((value * 0.9, value * 1.1)),
            shown: format!("{value} ms"),
        }
    }

    fn panels() -> Vec<Panel> {
        let panel = |title: &str, bars| Panel {
            title: title.to_owned(),
            note: "less is better".to_owned(),
            bars,
        };
        vec![
            panel(
                "Start",
                vec![
                    bar("Portcullis", 2.0),
                    bar("Node.js", 40.0),
                    bar("Python", 80.0),
                ],
            ),
            panel("Memory", vec![bar("Portcullis", 5.0), bar("Node.js", 60.0)]),
            panel(
                "A <b> & \"c\"",
                vec![bar("Portcullis", 1.0), bar("x < y & z", 1.0)],
            ),
        ]
    }

    /// Tags are closed in the order in which they were opened, and outside of them is nothing that XML would not take.
    fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        let mut rest = svg;
        while let Some((text, after)) = rest.split_once('<') {
            assert_text(text);
            let (tag, after) = after.split_once('>').expect("a tag ends");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "{tag}");
            } else if !tag.ends_with('/') {
                open.push(tag.split(' ').next().unwrap());
            }
            rest = after;
        }
        assert_eq!((open.len(), rest.trim()), (0, ""));
    }

    fn assert_text(text: &str) {
        for (at, _) in text.match_indices('&') {
            let known = ["&amp;", "&lt;", "&gt;", "&quot;"];
            assert!(
                known.iter().any(|entity| text[at..].starts_with(entity)),
                "{text}"
            );
        }
        assert!(!text.contains('>'), "{text}");
    }

    #[test]
    fn it_is_well_formed_whatever_the_names_are() {
        let svg = drawing(&panels(), "a & b").unwrap();
        assert_well_formed(&svg);
        assert!(svg.contains("x &lt; y &amp; z"));
        assert!(!svg.contains("A <b>"));
    }

    #[test]
    fn every_panel_has_its_bars() {
        let svg = drawing(&panels(), "").unwrap();
        let groups: Vec<_> = svg.split("<g ").skip(1).collect();
        let bars: Vec<_> = groups
            .iter()
            .map(|group| {
                group.matches("class=\"own\"").count() + group.matches("class=\"peer\"").count()
            })
            .collect();
        assert_eq!(bars, [3, 2, 2]);
        for (group, panel) in groups.iter().zip(panels()) {
            assert_eq!(group.matches("class=\"own\"").count(), 1);
            for bar in panel.bars {
                assert!(group.contains(&format!(">{}", bar.shown)), "{}", bar.shown);
            }
        }
    }

    #[test]
    fn lengths_are_in_proportion_and_stay_inside() {
        let svg = drawing(&panels(), "").unwrap();
        let first = svg.split("<g ").nth(1).unwrap();
        let lengths: Vec<f64> = first
            .split("width=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect();
        let [own, node, python] = lengths[..] else {
            panic!("{lengths:?}")
        };
        assert!(
            (python / node - 2.0).abs() < 0.01 && (node / own - 20.0).abs() < 0.3,
            "{lengths:?}"
        );
        assert!(python <= super::LENGTH);
    }

    #[test]
    fn who_does_not_see_it_can_read_it() {
        let svg = drawing(&panels(), "").unwrap();
        assert!(svg.contains("role=\"img\"") && svg.contains("aria-labelledby=\"title desc\""));
        assert!(svg.contains("Start: Portcullis 2 ms; Node.js 40 ms; Python 80 ms."));
    }

    #[test]
    fn ratios_are_short() {
        let shown = [27.04, 1.689, 0.865, 0.1296].map(ratio);
        assert_eq!(shown, ["27×", "1.69×", "0.86×", "1/7.7"]);
    }

    #[test]
    fn nothing_measured_is_still_a_drawing() {
        let empty = [Panel {
            title: "None".to_owned(),
            note: String::new(),
            bars: Vec::new(),
        }];
        assert_well_formed(&drawing(&empty, "").unwrap());
        assert_well_formed(&drawing(&[], "").unwrap());
    }
}
