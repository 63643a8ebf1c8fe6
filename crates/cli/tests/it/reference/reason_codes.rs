//! docs/reference/reason-codes.md, from the reason codes.

use portcullis_model::ReasonCode;

use super::{Table, codes, is_current};

const OPENING: &str = "\
# Reason codes

Every decision has a reason: a stable code and a sentence. The code is in the [log line](metrics.md#fields-of-the-line-of-a-decision)
of the decision, in `portcullis decide`, in [metrics](metrics.md), and on AWS in the context of the answer (`reason`). Codes are never
renamed or reused.

A status is what a sideband client gets in `response_code`. API Gateway can show 401, 403 and 500 only: 401 stays 401, every
other deny with 4xx is 403 ([what a decision becomes](../authorizer.md#what-a-decision-becomes)). CloudFront shows each of them. A deny
with 5xx, such as `statement_unfulfilled` and `replay_store_full`, says that there is no decision: 500 at API Gateway and 503 at
CloudFront, or 403 at both with `PORTCULLIS_ON_UNAVAILABLE` `deny`.

";

#[test]
fn the_page_of_reason_codes_is_current() {
    let mut table = Table::new(&["code", "status", "meaning", "what to look at"]);
    for code in ReasonCode::ALL {
        let status = match code.status() {
            "none" => "—",
            status => status,
        };
        table.row(&[
            &codes([code.as_str()]),
            status,
            code.meaning(),
            code.look_at(),
        ]);
    }
    is_current("reason-codes.md", &format!("{OPENING}{}", table.text));
}
