//! Inputs that are known to crash or to hang the parsers: none gets that far.

use crate::problems;

fn refused(extension: &str, text: &str) {
    let found = problems(extension, text);
    assert_ne!(found, "none", "{extension} {}", &text[..text.len().min(80)]);
    assert!(!found.contains("longer than"), "{found}");
}

#[test]
fn nested_brackets_never_reach_a_parser() {
    for depth in [13, 20, 150, 1000, 60_000] {
        for (open, close) in [("(", ")"), ("[", "]")] {
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            refused(
                "rego",
                &format!("package acp.authz\nallow if {value} == 1\n"),
            );
            refused(
                "cedar",
                &format!("permit(principal, action, resource) when {{ {value} == 1 }};"),
            );
        }
        refused(
            "yaml",
            &format!("validators: {}{}", "[".repeat(depth), "]".repeat(depth)),
        );
    }
}

#[test]
fn long_chains_neither_crash_nor_hang() {
    let permit =
        |condition: &str| format!("permit(principal, action, resource) when {{ {condition} }};");
    let conditionals = format!("{} true", "if true then true else ".repeat(5000));
    refused("cedar", &permit(&conditionals));
    refused(
        "cedar",
        &permit(&format!("principal{}", ".x".repeat(60_000))),
    );
    refused("cedar", &permit(&format!("{}true", "!".repeat(60_000))));
    refused("cedar", &permit(&format!("{}1 == 1", "- ".repeat(30_000))));
    // Long, and not deep.
    let all = format!("{}true", "context.now > 0 && ".repeat(4000));
    assert_eq!(problems("cedar", &permit(&all)), "none");
    let sums = format!("package acp.authz\nallow if {}1 > 0\n", "1 + ".repeat(2000));
    let _ = problems("rego", &sums);
    let elses = format!(
        "package acp.authz\nallow := 1 if input.x {}",
        "else := 2 if input.y ".repeat(2000)
    );
    let _ = problems("rego", &elses);
    let refs = format!("package acp.authz\nallow if input{}\n", ".x".repeat(20_000));
    let _ = problems("rego", &refs);
}

#[test]
fn size_and_control_characters_are_checked_first() {
    refused(
        "rego",
        &format!(
            "package acp.authz\nallow := true\n{}",
            " ".repeat(128 * 1024)
        ),
    );
    refused("cedar", "permit(principal, action, resource);\0");
    refused("rego", "package acp.authz\u{1b}\nallow := true");
}
