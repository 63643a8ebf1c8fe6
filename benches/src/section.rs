//! What a part of the benchmarks comes to: its text, its targets, its bars of the plot, the versions it ran with.

use serde::{Deserialize, Serialize};

use crate::goals::Goal;
use crate::plot::Panel;

/// One part.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Section {
    /// In Markdown, with its heading.
    pub(crate) text: String,
    pub(crate) goals: Vec<Goal>,
    pub(crate) panels: Vec<Panel>,
    /// Names and versions of what was measured beside Portcullis.
    pub(crate) versions: Vec<(String, String)>,
}
