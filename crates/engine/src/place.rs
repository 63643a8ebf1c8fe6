//! Where a request belongs in a policy set: for decision points that ask somebody else about the route
//! once the token was found to be valid.

use portcullis_model::{ApiRequest, PathPattern};

use crate::policy_set::{ApiService, Operation, PolicySet};

/// The service and the operation that cover a request.
#[derive(Debug)]
pub struct Place<'policy> {
    /// The service.
    pub service: &'policy ApiService,
    /// The operation, where one covers the request.
    pub operation: Option<&'policy Operation>,
    /// The pattern of the operation that the path fits, the most specific one where several do.
    pub pattern: Option<&'policy PathPattern>,
    /// The decoded path below the base URL or the stage, starting with `/`.
    pub path: String,
}

impl PolicySet {
    /// Where a request belongs, found as [`PolicySet::decide`] finds it; `None` where no service covers
    /// it or its path has more than one reading. Checks nothing else, so it is no permit of any kind.
    #[must_use]
    pub fn place(&self, request: &ApiRequest) -> Option<Place<'_>> {
        let path = request.url.decoded_path().ok()?;
        let (service, relative) = self.service_for(request, &path)?;
        let operation = service
            .index
            .find(&request.method, relative)
            .and_then(|number| service.operations.get(number));
        let pattern = operation.and_then(|operation| {
            let fitting = operation.paths.iter();
            fitting
                .filter(|pattern| pattern.matches(relative))
                .max_by_key(|pattern| pattern.specificity())
        });
        Some(Place {
            service,
            operation,
            pattern,
            path: relative.to_owned(),
        })
    }
}
