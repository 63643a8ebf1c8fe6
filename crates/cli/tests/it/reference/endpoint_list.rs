//! The endpoints that are not in the `OpenAPI` document of the management API: other protocols say what they are. Tests
//! compare this list with the routers and ask each of a running service.

/// Endpoints of one kind.
pub(super) struct Kind {
    pub(super) heading: &'static str,
    /// Sentences below the heading.
    pub(super) about: &'static str,
    pub(super) endpoints: &'static [Endpoint],
}

/// A method and a path.
pub(super) struct Endpoint {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Other paths of the same.
    pub(super) also: &'static [&'static str],
    /// Who may, where the credentials of the service are not what opens it.
    pub(super) who: Option<&'static str>,
    pub(super) purpose: &'static str,
    pub(super) body: &'static str,
    pub(super) answers: &'static str,
}

/// An endpoint at one path, for whoever the service lets in.
const fn at(
    method: &'static str,
    path: &'static str,
    purpose: &'static str,
    body: &'static str,
    answers: &'static str,
) -> Endpoint {
    Endpoint {
        method,
        path,
        also: &[],
        who: None,
        purpose,
        body,
        answers,
    }
}

impl Endpoint {
    const fn also(mut self, paths: &'static [&'static str]) -> Self {
        self.also = paths;
        self
    }

    const fn who(mut self, who: &'static str) -> Self {
        self.who = Some(who);
        self
    }
}

pub(super) const DECISIONS: Kind = Kind {
    heading: "Sideband",
    about: "What gateways ask: [how a policy decides](../how-a-decision-is-made.md#how-a-policy-decides). A gateway credential is in `CLIENT-TOKEN` or `PDG-TOKEN`. \
        Errors are `{\"id\", \"code\", \"message\"}`: [codes](../decision-service.md#endpoints). The environment in a path is not looked at.",
    endpoints: &[
        at(
            "POST",
            "/sideband/request",
            "Decides on a request: the answer is what the gateway is to do with it.",
            "JSON, up to 1 MiB",
            "200; 400, 413",
        )
        .also(&["/v1/environments/{environment}/sideband/request"]),
        at(
            "POST",
            "/sideband/response",
            "Decides on a response: the answer is what the client is to get.",
            "JSON, up to 1 MiB",
            "200; 400, 413",
        )
        .also(&["/v1/environments/{environment}/sideband/response"]),
    ],
};

pub(super) const AUTHZEN: Kind = Kind {
    heading: "AuthZEN",
    about: "The [OpenID AuthZEN Authorization API 1.0](https://openid.net/specs/authorization-api-1_0.html): \
        [what each member is taken for](../authzen.md#authzen-clients-ask-the-decision-service). A gateway credential is in `Authorization: Bearer` or in `CLIENT-TOKEN`.",
    endpoints: &[
        at(
            "POST",
            "/access/v1/evaluation",
            "Answers one question.",
            "JSON, up to 1 MiB",
            "200; 400, 413",
        ),
        at(
            "POST",
            "/access/v1/evaluations",
            "Answers up to 1,000 questions.",
            "JSON, up to 1 MiB",
            "200; 400, 413",
        ),
        at(
            "POST",
            "/access/v1/search/action",
            "Says which methods a subject may use on a route.",
            "JSON, up to 1 MiB",
            "200; 400, 413",
        ),
        at(
            "GET",
            "/.well-known/authzen-configuration",
            "The metadata of this decision point, where `--public-url` is set. What stands behind it is the path of that URL.",
            "",
            "200; 404",
        )
        .also(&["/.well-known/authzen-configuration/{*path}"]),
    ],
};

pub(super) const OPERATIONS: Kind = Kind {
    heading: "Health, metrics, document",
    about: "",
    endpoints: &[
        at(
            "GET",
            "/health/live",
            "Whether the process answers.",
            "",
            "200",
        ),
        at(
            "GET",
            "/health/ready",
            "Whether requests should be sent here: the policy is loaded, the keys of its issuers were asked for, and the service does not stop.",
            "",
            "200; 503",
        ),
        at(
            "GET",
            "/metrics",
            "[Metrics](metrics.md): on a loopback address, or on that of `--metrics-listen` alone.",
            "",
            "200; 404",
        ),
        at(
            "GET",
            "/openapi.json",
            "The [OpenAPI document](../openapi.json) of the management API.",
            "",
            "200",
        ),
    ],
};

pub(super) const GATEWAYS: Kind = Kind {
    heading: "Cloudentity: for gateways",
    about: "What [Cloudentity authorizers](../cloudentity-control-plane.md#for-gateways) ask their control plane, where there is a database and \
        `--public-url` is set; else 404. Errors are `{\"error\", \"error_code\", \"status_code\", \"details\"}`, those of the token endpoint OAuth's.",
    endpoints: &[
        at(
            "GET",
            "/{tid}/system/.well-known/openid-configuration",
            "The metadata of the issuer of gateways.",
            "",
            "200; 404",
        )
        .also(&["/.well-known/oauth-authorization-server/{tid}/system"]),
        at(
            "GET",
            "/{tid}/system/.well-known/jwks.json",
            "The public key of that issuer.",
            "",
            "200; 404",
        ),
        at(
            "POST",
            "/{tid}/system/oauth2/token",
            "An access token for a gateway (client credentials).",
            "form",
            "200; 400, 401",
        )
        .who("the client of a gateway"),
        at(
            "GET",
            "/api/system/{tid}/gateways/configuration",
            "The configuration, with an entity tag.",
            "",
            "200, 304",
        )
        .also(&["/api/system/gateways/configuration"])
        .who("a gateway with the scope `read_gateway_configuration`"),
        at(
            "POST",
            "/api/system/{tid}/gateways/configuration",
            "All API groups that were found.",
            "JSON, up to 8 MiB",
            "200; 400, 413, 415, 422",
        )
        .also(&["/api/system/gateways/configuration"])
        .who("a gateway with the scope `write_gateway_configuration`"),
        at(
            "POST",
            "/api/system/{tid}/gateways/requests",
            "Decisions that were made.",
            "JSON, up to 4 MiB",
            "200; 400, 413, 415, 422",
        )
        .also(&["/api/system/gateways/requests"])
        .who("a gateway with the scope `push_gateway_requests`"),
        at(
            "POST",
            "/api/system/{tid}/gateways/introspect",
            "What a token is worth (RFC 7662).",
            "form",
            "200; 400, 415",
        )
        .also(&["/api/system/gateways/introspect"])
        .who("a gateway with the scope `introspect_tokens`"),
    ],
};

const LISTS: &str = "200";
const READS: &str = "200, 304; 404";
const CREATES: &str = "201; 400, 409, 415, 422";
const CHANGES: &str = "200; 400, 404, 409, 412, 415, 422";
const BINDS: &str = "200; 400, 404, 409, 415, 422";
const UNBINDS: &str = "200; 404, 409";
const DELETES: &str = "204; 404, 409, 412";
const TESTS: &str = "200; 400, 415, 422";

pub(super) const CONTROL_PLANE: Kind = Kind {
    heading: "Cloudentity: for administrators",
    about: "[Who may and what happens](../cloudentity-control-plane.md#for-administrators). Each change is a deployment. Bodies are JSON of up to 1 MiB.",
    endpoints: &[
        at(
            "POST",
            "/api/admin/{tid}/gateways",
            "Makes a gateway; its client secret is shown this once.",
            "gateway",
            CREATES,
        ),
        at(
            "GET",
            "/api/admin/{tid}/gateways/{gateway}",
            "Reads a gateway.",
            "",
            READS,
        ),
        at(
            "PUT",
            "/api/admin/{tid}/gateways/{gateway}",
            "Changes a gateway.",
            "gateway",
            CHANGES,
        ),
        at(
            "DELETE",
            "/api/admin/{tid}/gateways/{gateway}",
            "Deletes a gateway and what it was bound to.",
            "",
            DELETES,
        ),
        at(
            "GET",
            "/api/admin/{tid}/servers/{server}/gateways",
            "Lists the gateways of a server.",
            "",
            LISTS,
        ),
        at(
            "GET",
            "/api/admin/{tid}/gateways/{gateway}/groups",
            "Lists the API groups that a gateway has found.",
            "",
            LISTS,
        ),
        at(
            "POST",
            "/api/admin/{tid}/gateways/{gateway}/groups/{group}/bind",
            "Binds an API group to a service, or to a new one.",
            "`service_id`",
            BINDS,
        ),
        at(
            "DELETE",
            "/api/admin/{tid}/gateways/{gateway}/groups/{group}/unbind",
            "Unbinds an API group: what it stood for is denied.",
            "",
            UNBINDS,
        ),
        at(
            "GET",
            "/api/admin/{tid}/services/{service}/apis",
            "Lists the APIs of a service.",
            "",
            LISTS,
        ),
        at(
            "GET",
            "/api/admin/{tid}/apis/{api}",
            "Reads an API.",
            "",
            READS,
        ),
        at(
            "PUT",
            "/api/admin/{tid}/apis/{api}",
            "Gives an API another policy.",
            "`policy_id`",
            CHANGES,
        ),
        at(
            "POST",
            "/api/admin/{tid}/apis/test",
            "Says whether an API covers a request.",
            "API and request",
            TESTS,
        ),
        at(
            "GET",
            "/api/admin/{tid}/policies",
            "Lists the policies.",
            "",
            LISTS,
        )
        .also(&["/api/admin/{tid}/servers/{server}/policies"]),
        at(
            "POST",
            "/api/admin/{tid}/policies",
            "Makes a policy.",
            "policy",
            CREATES,
        ),
        at(
            "POST",
            "/api/admin/{tid}/policies/test",
            "Tries a policy out.",
            "policy and request",
            TESTS,
        ),
        at(
            "GET",
            "/api/admin/{tid}/policies/{policy}",
            "Reads a policy.",
            "",
            READS,
        ),
        at(
            "PUT",
            "/api/admin/{tid}/policies/{policy}",
            "Changes a policy.",
            "policy",
            CHANGES,
        ),
        at(
            "DELETE",
            "/api/admin/{tid}/policies/{policy}",
            "Deletes a policy that no API has.",
            "",
            DELETES,
        ),
    ],
};
