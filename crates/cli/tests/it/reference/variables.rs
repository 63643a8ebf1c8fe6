//! docs/reference/variables.md, from the lists beside the readers and the definitions of the commands.

use std::fmt::Write as _;

use portcullis_authorizer::VARIABLES as OF_AUTHORIZER;
use portcullis_edge::{VARIABLES as OF_EDGE, kind_of};
use portcullis_enforcement::{Topic, Unset, VARIABLES as SHARED, Values, Variable};

use super::commands::{arguments, commands, default, meaning, name};
use super::settings::written;
use super::{Table, codes, is_current};

const OPENING: &str = "\
# Environment variables

Every variable that the programs of this project read. For the authorizer a variable that is set to nothing counts as not
set, and a value that cannot be used stops it at start with a line that names the variable ([settings](../authorizer.md#settings)).
The [edge function](../cloudfront.md#settings) takes the same names from its `config.js`, where flags are `true` or `false`
and numbers stand without quotation marks. A time is `2s` or `500ms`; in Cloudentity mode also `1m0s`.
";

const TOPICS: [(Topic, &str, &str); 6] = [
    (
        Topic::Always,
        "For every decision point",
        "[Guide](../authorizer.md#for-every-decision-point).",
    ),
    (
        Topic::Sideband,
        "A sideband service decides",
        "[Guide](../authorizer.md#a-sideband-service-decides). All but `SERVICE_URL` also hold where an AuthZEN decision point decides.",
    ),
    (
        Topic::Oauth,
        "The function decides",
        "[Guide](../authorizer.md#the-function-decides). All but `PORTCULLIS_BUNDLE` also hold where an AuthZEN decision point decides.",
    ),
    (
        Topic::Authzen,
        "An AuthZEN decision point decides",
        "[Guide](../authorizer.md#an-authzen-decision-point-decides).",
    ),
    (
        Topic::Cloudentity,
        "A Cloudentity control plane says what to decide",
        "[Guide](../authorizer.md#a-cloudentity-control-plane-says-what-to-decide).",
    ),
    (
        Topic::Lambda,
        "Set by Lambda",
        "Nobody has to set these: Lambda does, or the default will do.",
    ),
];

/// What is read by libraries or named by policies, and so in no list of ours.
const ELSEWHERE: &str = "
## Read by libraries

| variable | read by | meaning |
|---|---|---|
| `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`, `OTEL_BSP_*` | `portcullis serve`, by the OpenTelemetry SDK | [traces](../decision-service.md#traces), as in the [specification of OpenTelemetry](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/) |
| `AWS_PROFILE`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` and others | `portcullis aws`, by the AWS SDK | [credentials, Region and endpoint](../aws-binding.md), as the AWS CLI takes them |

## Named by policies

A policy directory may name variables that hold [secrets for introspection](../policy-directory.md#opaque-tokens). `portcullis serve
--policy` and the authorizer read whatever it names; the edge function and deployments in a database only names that begin with
`INTROSPECTION_`.
";

#[test]
fn the_page_of_variables_is_current() {
    let mut page = OPENING.to_owned();
    page.push_str("\n## The authorizer and the edge function\n");
    for (topic, heading, guide) in TOPICS {
        let mut table = Table::new(&["variable", "read by", "default", "values", "meaning"]);
        let here = |one: &&Variable| one.topics[0] == topic;
        for one in SHARED.iter().filter(here) {
            row(&mut table, one, shared_by(one));
        }
        for one in OF_AUTHORIZER.iter().filter(here) {
            let both = topic == Topic::Lambda && OF_EDGE.iter().any(|other| other.name == one.name);
            row(&mut table, one, if both { BOTH } else { "authorizer" });
        }
        write!(page, "\n### {heading}\n\n{guide}\n\n{}", table.text).unwrap();
    }
    let mut table = Table::new(&["variable", "read by", "default", "values", "meaning"]);
    for one in OF_EDGE.iter().filter(|one| one.topics[0] != Topic::Lambda) {
        row(&mut table, one, "edge");
    }
    let guide = "[Guide](../cloudfront.md#settings). Two of these names are the authorizer's, too, with another default.";
    write!(
        page,
        "\n### Only the edge function\n\n{guide}\n\n{}",
        table.text
    )
    .unwrap();
    write_commands(&mut page);
    page.push_str(ELSEWHERE);
    is_current("variables.md", &page);
}

const BOTH: &str = "authorizer, edge";

/// Whether the edge function can be told such a variable, by `config.js` or by Lambda.
fn shared_by(variable: &Variable) -> &'static str {
    let handler = include_str!("../../../../edge/js/aws-lambda-authorizer.js");
    let (_, reserved) = handler.split_once("const RESERVED = [").unwrap();
    let (reserved, _) = reserved.split_once(']').unwrap();
    let is_reserved = reserved.contains(&format!("'{}'", variable.name));
    if is_reserved || kind_of(variable.name).is_some() {
        BOTH
    } else {
        "authorizer"
    }
}

fn row(table: &mut Table, variable: &Variable, reader: &str) {
    let default = match variable.unset {
        Unset::Required => "required".to_owned(),
        Unset::Nothing => "—".to_owned(),
        Unset::Value(value) => codes([value]),
        Unset::Words(words) => words.to_owned(),
    };
    let values = match variable.values {
        Values::Text(words) => words.to_owned(),
        Values::Secret => "a secret".to_owned(),
        Values::Flag => codes(["true", "false"]),
        Values::Choice(words) => codes(words),
        Values::Number(least, most) => format!("{least} to {most}"),
        Values::Time(shortest, longest) => {
            format!("`{}` to `{}`", written(shortest), written(longest))
        }
    };
    table.row(&[
        codes([variable.name]).as_str(),
        reader,
        &default,
        &values,
        variable.meaning,
    ]);
}

fn write_commands(page: &mut String) {
    let mut table = Table::new(&[
        "variable",
        "commands",
        "in the place of",
        "default",
        "meaning",
    ]);
    let mut found: Vec<(String, Vec<String>, [String; 3])> = Vec::new();
    for command in commands() {
        for argument in arguments(&command) {
            let Some(variable) = argument.get_env() else {
                continue;
            };
            let variable = variable.to_str().unwrap().to_owned();
            let option = argument.get_long().unwrap();
            let option = if argument.is_hide_set() {
                "—".to_owned()
            } else {
                codes([format!("--{option}")])
            };
            let command_name = name(&command).to_owned();
            // What the variable stands for is in the column beside.
            let meaning = meaning(&command, argument);
            let meaning = meaning.replace(&format!(" Or the variable `{variable}`."), "");
            match found.iter_mut().find(|(known, ..)| *known == variable) {
                Some((_, commands, _)) => commands.push(command_name),
                None => found.push((
                    variable,
                    vec![command_name],
                    [option, default(argument), meaning],
                )),
            }
        }
    }
    for (variable, commands, [option, default, meaning]) in found {
        let default = if default.is_empty() { "—" } else { &default };
        table.row(&[
            codes([variable]).as_str(),
            &codes(commands),
            &option,
            default,
            &meaning,
        ]);
    }
    let guide =
        "An option on the command line counts before its variable. [Every option](commands.md).";
    write!(page, "\n## The command\n\n{guide}\n\n{}", table.text).unwrap();
}
