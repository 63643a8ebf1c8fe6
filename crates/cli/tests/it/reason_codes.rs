//! docs/reason-codes.md lists exactly the reason codes that there are.

use portcullis_model::ReasonCode;

#[test]
fn the_page_lists_every_code_and_no_other() {
    let page = include_str!("../../../../docs/reason-codes.md");
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let mut listed: Vec<_> = rows.map(|(code, _)| code).collect();
    let mut known: Vec<_> = ReasonCode::ALL.iter().map(|code| code.as_str()).collect();
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);
}
