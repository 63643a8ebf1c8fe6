//! docs/reference/endpoints.md: the `OpenAPI` document of the management API, and the list of what is not in it. Who may
//! ask is found out by asking a running service as everybody.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;

use super::endpoint_list::{
    AUTHZEN, CONTROL_PLANE, DECISIONS, Endpoint, GATEWAYS, Kind, OPERATIONS,
};
use super::{Table, codes, is_current, sentence};
use crate::command::run;
use crate::serve::Service;

const OPENING: &str = "\
# Endpoints

Every endpoint of `portcullis serve`. Who may is the least that is needed: of the [roles of administrators](../management-api.md#administrators),
a deployer may what an editor may, and an editor what a viewer may. Answers are those of a call that is let in, the good ones first.
Every endpoint but those of health and metrics may also answer 401 and 403 (who may), 404 and 405 (path and method), 408 (the
body took longer than 10 s), 429 (too many calls at once) and 503 (try again).
";
const MANAGEMENT: &str = "
## Management API

Where there is a database; else 404. Paths are those below `/v1/environments/{environment}`, which is not looked at. The
[OpenAPI document](../openapi.json) has every member; [the guide](../management-api.md) says how they go together. Bodies are up to 1 MiB.
What cannot be used is answered with 400, what is not there with 404, a conflict with 409 or 412.
";
const BASE: &str = "/v1/environments/{environment}";

#[test]
fn the_page_of_endpoints_is_current() {
    let everybody = Everybody::start();
    let mut page = OPENING.to_owned();
    for kind in [&DECISIONS, &AUTHZEN] {
        page.push_str(&listed(kind, &everybody));
    }
    page.push_str(&management(&everybody));
    for kind in [&GATEWAYS, &CONTROL_PLANE, &OPERATIONS] {
        page.push_str(&listed(kind, &everybody));
    }
    everybody.asked_for_routes(&all_paths());
    is_current("endpoints.md", &page);
}

fn document() -> Value {
    serde_json::from_str(portcullis_server::openapi()).unwrap()
}

fn kinds() -> [&'static Kind; 5] {
    [&DECISIONS, &AUTHZEN, &GATEWAYS, &CONTROL_PLANE, &OPERATIONS]
}

fn paths(endpoint: &Endpoint) -> impl Iterator<Item = &'static str> {
    std::iter::once(endpoint.path).chain(endpoint.also.iter().copied())
}

fn all_paths() -> BTreeSet<String> {
    let listed = kinds().into_iter().flat_map(|kind| kind.endpoints);
    let mut all: BTreeSet<_> = listed.flat_map(paths).map(str::to_owned).collect();
    all.extend(document()["paths"].as_object().unwrap().keys().cloned());
    all
}

fn listed(kind: &Kind, everybody: &Everybody) -> String {
    let mut table = Table::new(&["method and path", "who may", "what for", "body", "answers"]);
    for one in kind.endpoints {
        let found: BTreeSet<_> = paths(one)
            .map(|path| everybody.who(one.method, path))
            .collect();
        assert_eq!(found.len(), 1, "{} {}: {found:?}", one.method, one.path);
        let found = *found.first().unwrap();
        // Who is no administrator and has no gateway credential is not among those who ask here.
        let is_open_to_others = found == NOBODY || one.method == "POST" && found == "anyone";
        let who = one.who.unwrap_or(found);
        assert_eq!(
            one.who.is_some(),
            is_open_to_others,
            "{} {}: {found}",
            one.method,
            one.path
        );
        let mut names = codes([format!("{} {}", one.method, one.path)]);
        if !one.also.is_empty() {
            write!(names, ", also {}", codes(one.also)).unwrap();
        }
        table.row(&[&names, who, one.purpose, one.body, one.answers]);
    }
    let about = if kind.about.is_empty() {
        String::new()
    } else {
        format!("{}\n\n", kind.about)
    };
    format!("\n## {}\n\n{about}{}", kind.heading, table.text)
}

/// The management API by tags, in the order of the document.
fn management(everybody: &Everybody) -> String {
    let document = document();
    let mut tags: Vec<(String, Table)> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let below = path.strip_prefix(BASE).unwrap();
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_ascii_uppercase();
            let tag = operation["tags"][0].as_str().unwrap();
            if tags.iter().all(|(known, _)| known != tag) {
                let head = [
                    "method and path",
                    "who may",
                    "what for",
                    "query",
                    "body",
                    "answers",
                ];
                tags.push((tag.to_owned(), Table::new(&head)));
            }
            let (_, table) = tags.iter_mut().find(|(known, _)| known == tag).unwrap();
            let texts = ["summary", "description"].map(|text| operation[text].as_str());
            let texts: Vec<_> = texts.into_iter().flatten().map(sentence).collect();
            table.row(&[
                codes([format!("{method} {below}")]),
                everybody.who(&method, path).to_owned(),
                texts.join(" "),
                query(operation),
                body(operation),
                answers(operation),
            ]);
        }
    }
    let mut text = MANAGEMENT.to_owned();
    for (tag, table) in tags {
        write!(text, "\n### {tag}\n\n{}", table.text).unwrap();
    }
    text
}

fn query(operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().unwrap();
    let query = parameters.iter().filter(|one| one["in"] == "query");
    codes(query.map(|one| one["name"].as_str().unwrap()))
}

/// The schema, and the kind of body where that is not JSON.
fn body(operation: &Value) -> String {
    let Some(content) = operation["requestBody"]["content"].as_object() else {
        return String::new();
    };
    let (kind, body) = content.iter().next().unwrap();
    let schema = body["schema"]["$ref"].as_str().unwrap_or_default();
    let schema = schema.rsplit('/').next().filter(|name| !name.is_empty());
    let kind = Some(kind.as_str()).filter(|kind| *kind != "application/json");
    let parts: Vec<_> = schema.into_iter().chain(kind).collect();
    if parts.is_empty() {
        "JSON".to_owned()
    } else {
        codes(parts)
    }
}

fn answers(operation: &Value) -> String {
    let statuses = operation["responses"].as_object().unwrap().keys();
    let statuses = statuses.filter(|status| *status != "default");
    let (good, bad): (Vec<_>, Vec<_>) = statuses
        .cloned()
        .partition(|status| status.as_str() < "400");
    let both = [good, bad].map(|statuses| statuses.join(", "));
    let both: Vec<_> = both.into_iter().filter(|some| !some.is_empty()).collect();
    both.join("; ")
}

const NOBODY: &str = "nobody";

/// A running service with a database, and everybody who may be known to it.
struct Everybody {
    service: Service,
    /// What somebody is called, and the header that shows it.
    people: [(&'static str, String); 5],
    /// Keeps the database.
    _root: tempfile::TempDir,
}

impl Everybody {
    fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", root.path().join("portcullis.db").display());
        let administrator = |role: &'static str| {
            let made = run(
                &[
                    "admin",
                    "token",
                    "create",
                    "--name",
                    role,
                    "--role",
                    role,
                    "--database-url",
                    &url,
                ],
                "",
            );
            assert_eq!(made.status, 0, "{}", made.errors);
            (
                role,
                format!("authorization: Bearer {}\r\n", made.output.trim()),
            )
        };
        let people = [
            ("anyone", String::new()),
            ("gateway", "client-token: first-credential\r\n".to_owned()),
            administrator("viewer"),
            administrator("editor"),
            administrator("deployer"),
        ];
        let service = Service::launch_with(&[
            "--database-url",
            &url,
            "--public-url",
            "https://pdp.example.com",
        ]);
        Self {
            service,
            people,
            _root: root,
        }
    }

    /// Who of all, from the least to the most powerful, is the first to be let in.
    fn who(&self, method: &str, path: &str) -> &'static str {
        let path = filled(path);
        for (name, header) in &self.people {
            let status = self.status(method, &path, header);
            assert_ne!(status, 405, "{method} {path}");
            if ![401, 403].contains(&status) {
                return name;
            }
        }
        NOBODY
    }

    /// The status of an answer, whose body may never end.
    fn status(&self, method: &str, path: &str, header: &str) -> u16 {
        let mut stream = TcpStream::connect(&self.service.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{header}\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
        )
        .unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        let start = std::str::from_utf8(&start).unwrap();
        start.strip_prefix("HTTP/1.1 ").unwrap().parse().unwrap()
    }

    /// Each of these paths is a route, which the service counts by its pattern, and not by chance another one's.
    fn asked_for_routes(&self, paths: &BTreeSet<String>) {
        let metrics = self.service.get("/metrics").text;
        for path in paths.iter().filter(|path| *path != "/metrics") {
            let label = format!("endpoint=\"{path}\"");
            assert!(metrics.contains(&label), "{path} is no route");
        }
    }
}

/// A path with something in the place of each variable.
fn filled(pattern: &str) -> String {
    let parts = pattern.split('/').map(|part| match part {
        "{number}" => "999",
        "{tid}" | "{environment}" => "default",
        part if part.starts_with('{') => "00000000-0000-4000-8000-000000000000",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// What the code of the service says of its routes, but for those that are made with their document.
#[test]
fn the_list_has_every_route_that_is_not_in_the_document() {
    let code = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src");
    let files = ["app.rs", "metrics.rs", "cloudentity/mod.rs"];
    let [app, metrics, control_plane] = files.map(|file| read(&code.join(file)));
    let elsewhere = files_with_routes(&code, "");
    assert_eq!(
        elsewhere,
        files.map(str::to_owned).into(),
        "read their routes here, too"
    );
    let function = |name: &str| {
        let start = control_plane.split_once(&format!("fn {name}()")).unwrap().1;
        routes(start.split("\n}\n").next().unwrap())
    };
    let mut found = routes(&app);
    found.extend(routes(&metrics));
    found.extend(function("routes"));
    for (prefix, name) in nested(&control_plane) {
        let below = function(&name).into_iter();
        found.extend(below.map(|(method, path)| (method, format!("{prefix}{path}"))));
    }
    let listed = kinds().into_iter().flat_map(|kind| kind.endpoints);
    let listed =
        listed.flat_map(|one| paths(one).map(|path| (one.method.to_owned(), path.to_owned())));
    assert_eq!(listed.collect::<BTreeSet<_>>(), found);
}

/// The parameters of the document are where the service looks for them, and its operations have names of their own.
#[test]
fn the_document_names_its_parameters_and_operations_rightly() {
    let mut names = BTreeSet::new();
    for (path, methods) in document()["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            assert!(
                names.insert(name.clone()),
                "{name} is the name of two operations"
            );
            for parameter in operation["parameters"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                let in_path = path.contains(&format!("{{{name}}}"));
                assert_eq!(parameter["in"] == "path", in_path, "{name} of {path}");
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a file of this project")]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The files below a directory that have routes, but for those made with their document.
fn files_with_routes(directory: &Path, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in directory.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            found.extend(files_with_routes(&path, &format!("{name}/")));
        } else if read(&path).contains(".route(") {
            found.insert(name);
        }
    }
    found
}

/// Method and path of each `.route(path, methods)` in that code.
fn routes(code: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for part in code.split(".route(").skip(1) {
        let (path, rest) = part.split_once('"').unwrap().1.split_once('"').unwrap();
        let mut depth = 1;
        let end = rest.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let handlers = &rest[..end.unwrap()];
        for method in ["get", "post", "put", "delete"] {
            let call = format!("{method}(");
            // Not the end of a longer name, and not a handler of that name.
            let mut calls = handlers
                .match_indices(&call)
                .filter(|(at, _)| handlers[..*at].ends_with([' ', '.']));
            if calls.next().is_some() {
                found.insert((method.to_ascii_uppercase(), path.to_owned()));
            }
        }
    }
    found
}

/// Each `.nest("/prefix", function())` in that code.
fn nested(code: &str) -> Vec<(String, String)> {
    let parts = code.split(".nest(\"").skip(1);
    let nested = parts.map(|part| {
        let (prefix, rest) = part.split_once("\", ").unwrap();
        (
            prefix.to_owned(),
            rest.split_once('(').unwrap().0.to_owned(),
        )
    });
    nested.collect()
}
