//! From the JSON of a configuration to a policy set that decides.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_cloudentity::{
    ApiRef, ConvertOptions, Converted, DOCUMENT_EXTENSION, GatewayConfiguration, Unusable,
};
use portcullis_engine::{
    CustomPolicy, Diagnostic, Diagnostics, DocumentFile, PolicyFailure, PolicyFile, PolicyInput,
    PolicyLanguage, PolicyPlace, PolicySet, Verdict, World, compile_documents,
};

/// A configuration, compiled.
#[derive(Debug)]
pub struct CompiledConfiguration {
    /// What decides.
    pub policy: PolicySet,
    /// Which API each operation stands for, by the names of service and operation.
    pub apis: HashMap<(String, String), ApiRef>,
    /// What could not be taken over as it is.
    pub warnings: Vec<String>,
    /// The most events a second that the control plane wants; 0 for no bound.
    pub events_per_second: u64,
    /// Whose tokens are accepted, and where its keys are.
    pub(super) issuer: (String, String),
}

/// Compiles a configuration. A policy that does not compile makes the APIs that have it deny, a service that does not
/// compile denies everything, and the others go on. Fails only where the configuration as a whole makes no sense.
///
/// `introspection` is the endpoint of the control plane that knows opaque tokens; `languages` are those that policies may be written in beside validators.
pub fn compile_configuration(
    configuration: &GatewayConfiguration,
    allow_unknown: bool,
    introspection: &str,
    languages: &[Arc<dyn PolicyLanguage>],
) -> Result<CompiledConfiguration, Diagnostics> {
    let options = ConvertOptions {
        allow_unknown,
        introspection_endpoint: Some(introspection.to_owned()),
        rego: languages.iter().any(|one| one.extension() == "rego"),
    };
    let mut all: Vec<Arc<dyn PolicyLanguage>> = languages.to_vec();
    all.push(Arc::new(UnusableLanguage));
    let mut unusable = Unusable::default();
    loop {
        let converted = configuration.convert(&options, &unusable);
        match compile(&converted, &all) {
            Ok(policy) => {
                return Ok(CompiledConfiguration {
                    policy,
                    apis: converted.apis,
                    warnings: converted.warnings,
                    events_per_second: configuration.events_per_second,
                    issuer: (
                        configuration.issuer_url.clone(),
                        configuration.jwks_url.clone(),
                    ),
                });
            }
            Err(problems) => {
                let found = |unusable: &Unusable| unusable.policies.len() + unusable.services.len();
                let before = found(&unusable);
                for problem in &problems.0 {
                    let place = &problem.file;
                    let (kind, id) =
                        match (converted.policies.get(place), converted.services.get(place)) {
                            (Some(id), _) => (&mut unusable.policies, id),
                            (None, Some(id)) => (&mut unusable.services, id),
                            (None, None) => continue,
                        };
                    kind.entry(id.clone())
                        .or_insert_with(|| problem.message.clone());
                }
                // Each round finds at least one more, or gives up.
                if found(&unusable) == before {
                    return Err(problems);
                }
            }
        }
    }
}

fn compile(
    converted: &Converted,
    languages: &[Arc<dyn PolicyLanguage>],
) -> Result<PolicySet, Diagnostics> {
    if converted.documents.is_empty() {
        // A gateway that nothing is bound to: every request is for no service.
        return Ok(PolicySet::default());
    }
    let documents: Vec<DocumentFile> = converted
        .documents
        .iter()
        .map(|one| DocumentFile {
            path: one.path.clone(),
            document: one.document.clone(),
        })
        .collect();
    compile_documents(&documents, languages)
}

/// The language of policies that cannot be used: each fails with the reason that is its text.
struct UnusableLanguage;

#[derive(Debug)]
struct UnusablePolicy(Arc<str>);

impl PolicyLanguage for UnusableLanguage {
    fn extension(&self) -> &'static str {
        DOCUMENT_EXTENSION
    }

    fn compile(
        &self,
        _: &str,
        text: &str,
        _: &World<'_>,
    ) -> Result<Arc<dyn PolicyFile>, Vec<Diagnostic>> {
        Ok(Arc::new(UnusablePolicy(text.into())))
    }
}

impl PolicyFile for UnusablePolicy {
    fn bind(&self, _: &PolicyPlace<'_>) -> Arc<dyn CustomPolicy> {
        Arc::new(Self(Arc::clone(&self.0)))
    }
}

impl CustomPolicy for UnusablePolicy {
    fn evaluate(&self, _: &PolicyInput<'_>) -> Result<Verdict, PolicyFailure> {
        Err(PolicyFailure::Failed(self.0.to_string()))
    }
}
