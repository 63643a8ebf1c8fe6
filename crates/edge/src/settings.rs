//! The settings of the edge function, once `config.js` was read: those that enforcement points share, and its own.

use portcullis_aws::{EdgeEntry, EdgeOptions, LoginRedirect, Origin};
use portcullis_enforcement::{
    Environment, InvalidSetting, Languages, SettingReader, Settings, shown,
};

/// Every setting of the edge function.
#[derive(Debug)]
pub struct EdgeSettings {
    /// Those that do not depend on where an enforcement point stands.
    pub shared: Settings,
    /// How events become requests and decisions answers.
    pub options: EdgeOptions,
    /// What becomes of a request whose body the event does not hold whole.
    pub partial_body: PartialBodyRule,
}

/// What becomes of a request whose body is longer than the part that CloudFront shows, or no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartialBodyRule {
    /// It is denied: whoever includes the body has a policy that needs it.
    #[default]
    Deny,
    /// It is decided on as if it had none. A decision that edits the body is not carried out.
    Omit,
}

impl EdgeSettings {
    /// Reads what `config.js` holds, for a package with these languages beside validators.
    pub fn from_environment(
        environment: &Environment,
        languages: Languages,
    ) -> Result<Self, InvalidSetting> {
        let shared = Settings::with_languages(environment, languages)?;
        let words = SettingReader(environment);
        Ok(Self {
            shared,
            options: EdgeOptions {
                base_url: base_url(environment)?,
                entry: entry(environment)?,
                login: login(environment)?,
            },
            partial_body: words.choice(
                "PORTCULLIS_PARTIAL_BODY",
                &[
                    ("deny", PartialBodyRule::Deny),
                    ("omit", PartialBodyRule::Omit),
                ],
                PartialBodyRule::Deny,
            )?,
        })
    }
}

fn base_url(environment: &Environment) -> Result<Option<Origin>, InvalidSetting> {
    let name = "PORTCULLIS_BASE_URL";
    let Some(text) = environment.value(name) else {
        return Ok(None);
    };
    Origin::parse(text)
        .map(Some)
        .map_err(|error| InvalidSetting::new(name, shown(text), &error.to_string()))
}

/// The API that the distribution stands before, which only whoever sets it up knows.
fn entry(environment: &Environment) -> Result<Option<EdgeEntry>, InvalidSetting> {
    let (id, stage) = ("PORTCULLIS_API_ID", "PORTCULLIS_API_STAGE");
    match (environment.value(id), environment.value(stage)) {
        (None, None) => Ok(None),
        (Some(api_id), Some(stage)) => Ok(Some(EdgeEntry {
            api_id: api_id.to_owned(),
            stage: stage.to_owned(),
        })),
        (Some(_), None) => Err(InvalidSetting::missing(
            stage,
            "the stage of the API that PORTCULLIS_API_ID names",
        )),
        (None, Some(_)) => Err(InvalidSetting::missing(
            id,
            "the id of the API whose stage PORTCULLIS_API_STAGE names",
        )),
    }
}

fn login(environment: &Environment) -> Result<Option<LoginRedirect>, InvalidSetting> {
    let name = "PORTCULLIS_LOGIN_URL";
    let Some(text) = environment.value(name) else {
        return Ok(None);
    };
    LoginRedirect::parse(text)
        .map(Some)
        .map_err(|error| InvalidSetting::new(name, shown(text), &error.to_string()))
}
