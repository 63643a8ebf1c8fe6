"""The solar system example, whole: authorization server, decision service, AWS and the two APIs."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import app, deployment, edge, paths
from .authorization_server import AuthorizationServer
from .calls import Endpoint, bearer
from .decision_service import DecisionService
from .ministack import MiniStack
from .policy import Policy
from .processes import ComponentFailure, free_port

APIS_TEMPLATE = paths.SOLAR_SYSTEM / "apis.yaml"


@dataclass(frozen=True)
class Unauthenticated:
    """How an API shows that the authorizer found no valid token."""

    status: int
    note: str = ""


AS_401 = Unauthenticated(401)
AS_403 = Unauthenticated(
    403,
    "The policy says 401. A simple answer of an authorizer is yes or no, and API Gateway makes every no 403.",
)
AS_500 = Unauthenticated(
    500,
    "The policy says 401, and the authorizer fails with `Unauthorized` to say so. MiniStack makes every failure "
    "of an HTTP or WebSocket API's authorizer 500.",
)


@dataclass
class Api(Endpoint):
    """A deployed API."""

    name: str = ""
    unauthenticated: Unauthenticated = AS_401
    log_tail: Callable[[], str] | None = None

    def expected(self, policy, path, caller):
        """The status that the policy calls for, as this API can show it, and a note if it shows another."""
        status = policy.expected_status("GET", path, caller.scopes)
        # A request without the header is refused by API Gateway itself, with 401.
        if status == 401 and caller.headers:
            return self.unauthenticated.status, self.unauthenticated.note
        return status, ""


@dataclass
class Apis:
    """One deployed stack: its two APIs and the authorizer that guards them."""

    rest: Api
    http: Api
    authorizer_log_group: str
    authorizer_function: str


@dataclass
class Caller:
    """Somebody who calls the APIs. `scopes` is None for a caller without a valid token."""

    name: str
    headers: list
    scopes: list | None


class SolarSystem:
    """Starts the components in order, telling `progress` before each, and stops them in reverse."""

    def __init__(self, directory, progress=lambda step: None):
        self.directory = directory
        self._started = []
        self._app_port = free_port()
        try:
            progress("starting the authorization server")
            self.authorization_server = self._keep(AuthorizationServer(directory, app.origin(self._app_port)))
            self.policy = Policy(directory, self.authorization_server.issuer)
            progress("starting the decision service")
            self.decision_service = self._keep(DecisionService(self.policy.directory, directory))
            progress("starting AWS on this machine (MiniStack)")
            self.aws = self._keep(MiniStack(directory))
            progress("uploading the authorizer, the backend and the templates")
            self._upload()
        except BaseException:
            self.stop()
            raise

    def _keep(self, component):
        self._started.append(component)
        return component

    def _upload(self):
        if not paths.BOOTSTRAP.exists():
            raise ComponentFailure("authorizer", f"{paths.BOOTSTRAP} is missing: run `make build` first")
        self._authorizer_key = deployment.upload_zip(self.aws, "authorizer.zip", paths.BOOTSTRAP)
        self._backend_key = deployment.upload_zip(
            self.aws, "backend.zip", paths.SOLAR_SYSTEM / "backend" / "app.py"
        )
        self.authorizer_template_url = deployment.upload_template(self.aws, paths.AUTHORIZER_TEMPLATE)

    def authorizer_parameters(self, service_url=None):
        """Parameters that every template which nests the authorizer takes."""
        return {
            "AuthorizerTemplateUrl": self.authorizer_template_url,
            "CodeBucket": deployment.BUCKET,
            "AuthorizerCodeKey": self._authorizer_key,
            "BackendCodeKey": self._backend_key,
            "Architecture": deployment.architecture(),
            "ServiceUrl": service_url or self.decision_service.url,
            "SecretHeaderValue": self.decision_service.credential,
        }

    def oauth_parameters(self, cache_seconds):
        """Parameters with which the authorizer decides by itself, and API Gateway caches what it says."""
        return {
            "ServiceUrl": "",
            "SecretHeaderValue": "",
            "Issuer": self.authorization_server.issuer,
            "Audience": self.authorization_server.resource,
            "Scopes": self.policy.scope_table(),
            "HttpResponse": "iam",
            "CacheTtlSeconds": str(cache_seconds),
        }

    def authzen_parameters(self, pdp_url):
        """Parameters with which the authorizer verifies tokens and asks an AuthZEN decision point about routes."""
        return {
            "ServiceUrl": "",
            "SecretHeaderValue": "",
            "Issuer": self.authorization_server.issuer,
            "Audience": self.authorization_server.resource,
            "AuthzenPdpUrl": pdp_url,
            "AuthzenSubjectClaims": "scope",
        }

    def deploy(self, name, service_url=None, **parameters):
        """Creates the APIs with an authorizer of their own."""
        outputs = deployment.deploy(
            self.aws, name, APIS_TEMPLATE, self.authorizer_parameters(service_url) | parameters
        )
        rest = self.aws.api(outputs["RestApiId"], outputs["RestStageName"])
        http = self.aws.api(outputs["HttpApiId"])
        answers = (parameters.get("HttpPayloadFormat", "2.0"), parameters.get("HttpResponse", "simple"))
        return Apis(
            rest=Api(rest.port, rest.host, rest.prefix, name="REST API"),
            http=Api(
                http.port,
                http.host,
                http.prefix,
                name="HTTP API",
                unauthenticated=AS_403 if answers == ("2.0", "simple") else AS_500,
            ),
            authorizer_log_group=outputs["AuthorizerLogGroup"],
            authorizer_function=outputs["AuthorizerFunctionName"],
        )

    def start_cloudfront(self, name, **settings):
        """Starts CloudFront with a function of those settings, in front of an API that nothing else guards."""
        directory = Path(self.directory) / name
        directory.mkdir()
        function = edge.package(directory, settings)
        origin = self._keep(edge.Origin())
        cloudfront = self._keep(edge.CloudFront(name, function, origin, directory))
        return Api(cloudfront.port, name="CloudFront", log_tail=cloudfront.process.log_tail)

    def edge_settings(self):
        """Settings with which the edge asks the decision service."""
        return {
            "SERVICE_URL": self.decision_service.url,
            "SECRET_HEADER_VALUE": self.decision_service.credential,
            "IS_DEBUG_ENABLED": False,
            "MAX_RETRIES": 1,
            "PORTCULLIS_BASE_URL": "https://solar-system.example",
        }

    def edge_oauth_settings(self):
        """Settings with which the edge decides by itself."""
        return {
            "PORTCULLIS_ISSUER": self.authorization_server.issuer,
            "PORTCULLIS_AUDIENCE": self.authorization_server.resource,
            "PORTCULLIS_SCOPES": self.policy.scope_table(),
        }

    def start_app(self, apis):
        """Starts the app in front of these APIs."""
        return self._keep(app.App(self.directory, self._app_port, self.authorization_server, apis))

    def callers(self):
        """Nobody, somebody with a forged token, and every client of the authorization server."""
        clients = [
            Caller(client, bearer(self.authorization_server.token(client)), details["scopes"])
            for client, details in self.authorization_server.clients.items()
        ]
        forged = with_more_scopes(self.authorization_server.token("bronze"))
        return [Caller("nobody", [], None), Caller("forged token", bearer(forged), None), *clients]

    def stop(self):
        while self._started:
            self._started.pop().stop()


def with_more_scopes(token):
    """The token with every scope written into it, which breaks its signature."""
    header, claims, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(claims + "=="))
    claims["scope"] = "http://myapp.com/scp/gold http://myapp.com/scp/silver"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{header}.{forged}.{signature}"
