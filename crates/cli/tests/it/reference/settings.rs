//! The lists of variables say what the readers do: every name that a reader asks for is listed and the other way
//! round, each bound, word and default is tried, and the guides name the same variables.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use portcullis_authorizer::{Settings, VARIABLES as OF_AUTHORIZER};
use portcullis_edge::{EdgeSettings, SETTINGS, SettingType, VARIABLES as OF_EDGE, kind_of};
use portcullis_enforcement::{
    Environment, InvalidSetting, Languages, Topic, Unset, VARIABLES as SHARED, Values, Variable,
};
use portcullis_engine::{Profile, TokenIssuer};

/// What a reader makes of an environment, as text that can be compared.
type Read = fn(&Environment) -> Result<String, InvalidSetting>;

fn authorizer(environment: &Environment) -> Result<String, InvalidSetting> {
    Settings::from_environment(environment).map(|settings| format!("{settings:?}"))
}

fn edge(environment: &Environment) -> Result<String, InvalidSetting> {
    EdgeSettings::from_environment(environment, Languages::NONE)
        .map(|settings| format!("{settings:?}"))
}

/// What has to be set besides, for a variable of that topic to be asked for.
const fn surroundings(topic: Topic) -> &'static [(&'static str, &'static str)] {
    match topic {
        Topic::Always | Topic::Sideband | Topic::Lambda => &[
            ("PORTCULLIS_DECISION_POINT", "sideband"),
            ("SERVICE_URL", "https://pdp.example.com"),
            ("SECRET_HEADER_VALUE", "credential"),
        ],
        Topic::Oauth => &[
            ("PORTCULLIS_DECISION_POINT", "oauth"),
            ("PORTCULLIS_ISSUER", "https://idp.example.com"),
            ("PORTCULLIS_AUDIENCE", "api"),
            ("PORTCULLIS_SCOPES", "GET /planets = silver"),
        ],
        Topic::Authzen => &[
            ("PORTCULLIS_DECISION_POINT", "authzen"),
            ("AUTHZEN_PDP_URL", "https://pdp.example.com"),
            ("PORTCULLIS_ISSUER", "https://idp.example.com"),
            ("PORTCULLIS_AUDIENCE", "api"),
        ],
        Topic::Cloudentity => &[
            ("PORTCULLIS_DECISION_POINT", "cloudentity"),
            (
                "ACP_ISSUER_URL",
                "https://acme.us.authz.cloudentity.io/acme/system",
            ),
            ("ACP_CLIENT_ID", "gateway"),
            ("ACP_CLIENT_SECRET", "secret"),
        ],
    }
}

/// A variable, and who reads it.
struct Trial {
    variable: &'static Variable,
    read: Read,
}

impl Trial {
    /// With that value of the variable, or without the variable.
    fn read(&self, value: Option<&str>) -> Result<String, InvalidSetting> {
        let name = self.variable.name;
        // One that has to be there is left out to see it missed; another one stays as the surroundings have it.
        let stays = value.is_none() && !self.is_required();
        let others = surroundings(self.variable.topics[0])
            .iter()
            .filter(|(other, _)| *other != name || stays);
        let all = others.copied().chain(value.map(|value| (name, value)));
        let all = all.map(|(name, value)| (name.to_owned(), value.to_owned()));
        (self.read)(&all.collect())
    }

    fn is_required(&self) -> bool {
        matches!(self.variable.unset, Unset::Required)
    }

    fn is_refused(&self, value: Option<&str>) -> bool {
        let about_it = format!("{} is ", self.variable.name);
        self.read(value)
            .is_err_and(|error| error.to_string().starts_with(&about_it))
    }

    fn takes(&self, value: &str) {
        let name = self.variable.name;
        assert!(
            !self.is_refused(Some(value)),
            "{name} does not take {value}"
        );
    }

    fn refuses(&self, value: &str) {
        let name = self.variable.name;
        assert!(self.is_refused(Some(value)), "{name} takes {value}");
    }

    /// Whether the two make a difference, so that the reader does look at the variable.
    fn tells_apart(&self, one: &str, other: &str) {
        let name = self.variable.name;
        let (one, other) = (self.read(Some(one)), self.read(Some(other)));
        assert_ne!(one, other, "{name} makes no difference");
    }
}

/// Every variable with every reader that asks for it.
fn trials() -> impl Iterator<Item = Trial> {
    let asks = |read: Read| move |variable| Trial { variable, read };
    let of_authorizer = SHARED.iter().chain(OF_AUTHORIZER).map(asks(authorizer));
    let shared_with_edge = SHARED.iter().filter(|one| kind_of(one.name).is_some());
    let of_edge = shared_with_edge.chain(OF_EDGE).map(asks(edge));
    of_authorizer
        .chain(of_edge)
        .filter(|one| one.variable.topics[0] != Topic::Lambda)
}

/// A time as variables have it.
pub(super) fn written(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{}s", time.as_secs())
    } else {
        format!("{}ms", time.as_millis())
    }
}

#[test]
fn each_bound_and_word_is_that_of_the_reader() {
    // What these decide is inside a compiled policy, which shows nothing of it.
    let unseen = [
        "PORTCULLIS_LEEWAY",
        "PORTCULLIS_PATHS",
        "PORTCULLIS_PROFILE",
    ];
    for trial in trials() {
        let tried = match trial.variable.values {
            Values::Text(_) | Values::Secret => continue,
            Values::Flag => {
                trial.refuses("yes");
                vec!["true".to_owned(), "false".to_owned()]
            }
            Values::Choice(words) => {
                trial.refuses("neither");
                words.iter().map(|word| (*word).to_owned()).collect()
            }
            Values::Number(least, most) => {
                trial.refuses(&(most + 1).to_string());
                trial.refuses("-1");
                vec![least.to_string(), most.to_string()]
            }
            Values::Time(shortest, longest) => {
                trial.refuses(&written(longest + Duration::from_secs(1)));
                let step = if shortest.subsec_millis() == 0 {
                    1000
                } else {
                    1
                };
                if let Some(shorter) = shortest.checked_sub(Duration::from_millis(step)) {
                    trial.refuses(&written(shorter));
                }
                vec![written(shortest), written(longest)]
            }
        };
        for value in &tried {
            trial.takes(value);
        }
        if let [one, other, ..] = tried.as_slice()
            && !unseen.contains(&trial.variable.name)
        {
            trial.tells_apart(one, other);
        }
    }
}

#[test]
fn each_default_is_that_of_the_reader() {
    for trial in trials() {
        let name = trial.variable.name;
        match trial.variable.unset {
            Unset::Required => assert!(trial.is_refused(None), "{name} is not required"),
            Unset::Value(value) => {
                let others = trial.read(None).unwrap();
                assert_eq!(others, trial.read(Some(value)).unwrap(), "{name}");
            }
            Unset::Nothing | Unset::Words(_) => {
                trial.read(None).unwrap();
            }
        }
    }
}

/// A compiled policy shows neither, so the defaults are compared with those of the engine.
#[test]
fn profile_and_leeway_are_those_of_the_engine() {
    let listed = |name| SHARED.iter().find(|one| one.name == name).unwrap();
    let profile = listed("PORTCULLIS_PROFILE");
    let all: Vec<_> = Profile::ALL.iter().map(|(name, _)| *name).collect();
    assert!(matches!(profile.values, Values::Choice(words) if words == all));
    let default = Profile::default().as_str();
    assert!(matches!(profile.unset, Unset::Value(word) if word == default));
    let leeway = listed("PORTCULLIS_LEEWAY");
    let default = format!("{}s", TokenIssuer::DEFAULT_LEEWAY);
    assert!(matches!(leeway.unset, Unset::Value(time) if time == default));
}

/// Whether a text is written as the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    text.contains('_')
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The names of variables that stand in quotation marks in the code of a crate, but for its list and its tests.
fn asked_for(directory: &Path, left_out: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in directory.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            names.extend(asked_for(&path, left_out));
        } else if !left_out.contains(&file) {
            let text = read(&path);
            let code = text.split("#[cfg(test)]").next().unwrap();
            names.extend(
                code.split('"')
                    .filter(|part| is_name(part))
                    .map(str::to_owned),
            );
        }
    }
    names
}

#[expect(clippy::disallowed_methods, reason = "a file of this project")]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn names(variables: &[Variable]) -> BTreeSet<String> {
    variables.iter().map(|one| one.name.to_owned()).collect()
}

#[test]
fn the_lists_have_every_name_that_is_asked_for_and_no_other() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let shared = names(SHARED);
    for (name, own) in [
        ("enforcement", BTreeSet::new()),
        ("authorizer", names(OF_AUTHORIZER)),
        ("edge", names(OF_EDGE)),
    ] {
        // The names in config.rs are those that config.js may have, which another test looks at.
        let asked = asked_for(
            &crates.join(name).join("src"),
            &["variables.rs", "config.rs"],
        );
        let known = shared.union(&own).cloned().collect();
        let unlisted: Vec<_> = asked.difference(&known).collect();
        assert!(
            unlisted.is_empty(),
            "{name} asks for {unlisted:?}, which no list has"
        );
        let owned = if name == "enforcement" { &shared } else { &own };
        let unread: Vec<_> = owned.difference(&asked).collect();
        assert!(unread.is_empty(), "nothing in {name} asks for {unread:?}");
    }
}

#[test]
fn config_js_may_have_what_the_edge_function_asks_for_and_nothing_else() {
    let known: BTreeSet<_> = names(SHARED).union(&names(OF_EDGE)).cloned().collect();
    for (name, kind) in SETTINGS {
        let variable = OF_EDGE.iter().chain(SHARED).find(|one| one.name == name);
        let variable = variable.unwrap_or_else(|| panic!("{name} is in no list"));
        let expected = match variable.values {
            Values::Flag => SettingType::Boolean,
            Values::Number(..) => SettingType::Number,
            _ => SettingType::Text,
        };
        assert_eq!(kind, expected, "{name}");
        assert!(known.contains(name));
    }
    for variable in OF_EDGE.iter().filter(|one| one.topics[0] != Topic::Lambda) {
        assert!(kind_of(variable.name).is_some(), "{}", variable.name);
    }
}

#[test]
fn the_guides_name_every_variable_and_no_other() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let settable = |list: &[Variable]| -> BTreeSet<String> {
        let settable = list.iter().filter(|one| one.topics[0] != Topic::Lambda);
        settable.map(|one| one.name.to_owned()).collect()
    };
    let of_authorizer = settable(SHARED)
        .union(&settable(OF_AUTHORIZER))
        .cloned()
        .collect();
    let of_edge = SETTINGS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    for (page, head, known) in [
        ("authorizer.md", "| variable |", of_authorizer),
        ("cloudfront.md", "| setting |", of_edge),
    ] {
        let known: BTreeSet<String> = known;
        let text = read(&docs.join(page));
        let code = |text: &str| -> BTreeSet<String> {
            let parts = text.split('`').filter(|part| is_name(part));
            parts.map(str::to_owned).collect()
        };
        let mut listed = BTreeSet::new();
        let mut inside = false;
        for line in text.lines() {
            inside = line.starts_with(head) || inside && line.starts_with('|');
            if inside {
                listed.extend(code(line.split('|').nth(1).unwrap()));
            }
        }
        let unknown: Vec<_> = listed.difference(&known).collect();
        assert!(
            unknown.is_empty(),
            "{page} lists {unknown:?}, which nobody reads"
        );
        let mentioned = code(&text);
        let unnamed: Vec<_> = known.difference(&mentioned).collect();
        assert!(unnamed.is_empty(), "{page} does not name {unnamed:?}");
    }
}
