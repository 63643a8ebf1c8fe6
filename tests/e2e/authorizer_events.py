"""The events of API Gateway's five authorizer dialects for one request, made of the recorded ones.

What an event holds beside the request stays as it was recorded. APIs are called on a custom domain, so that the URL is
that of the request, but for two dialects whose events do not tell: the URL of a TOKEN authorizer is below `TOKEN_BASE`,
and the stage of a WebSocket API is the path.
"""

import json
from dataclasses import dataclass

from localaws import paths

EVENTS = paths.REPOSITORY.parent / "shared" / "data" / "events"
API = "arn:aws:execute-api:us-east-1:123456789012:abcdef123"
STAGE = "test"
TOKEN_BASE = f"https://abcdef123.execute-api.us-east-1.amazonaws.com/{STAGE}"
RECORDED = {
    "rest_token": "rest_token.awsdocs",
    "rest_request": "rest_request.awsdocs",
    "http_v1": "http_v1_request.awsdocs",
    "http_v2": "http_v2_request.awsdocs",
    "websocket": "websocket_connect_authorizer.awsdocs",
}
DIALECTS = list(RECORDED)


@dataclass(frozen=True)
class Request:
    """What a client sends: a GET of `path` at `host`, with header fields in order."""

    path: str
    headers: tuple = ()
    query: str = ""
    host: str = "api.example"

    @property
    def url(self):
        return f"https://{self.host}{self.path}"

    def values(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]


def event(dialect, request):
    """The event in that dialect, without what the dialect has no place for."""
    recorded = json.loads((EVENTS / f"{RECORDED[dialect]}.json").read_text())
    return {
        "rest_token": rest_token,
        "rest_request": rest_request,
        "http_v1": http_v1,
        "http_v2": http_v2,
        "websocket": websocket,
    }[dialect](recorded, request)


def arn(path, stage=STAGE):
    return f"{API}/{stage}/GET{path}"


def rest_token(recorded, request):
    """The token and nothing else; a request without one comes with an empty text."""
    (token,) = request.values("authorization") or [""]
    return recorded | {"authorizationToken": token, "methodArn": arn(request.path)}


def rest_request(recorded, request):
    context = recorded["requestContext"]
    context.pop("authorizer", None)
    context["identity"].pop("clientCert", None)
    context |= {"path": request.path, "stage": STAGE, "apiId": API.rsplit(":", 1)[1], "domainName": request.host}
    return (
        recorded
        | {"methodArn": arn(request.path), "path": request.path, "httpMethod": "GET", "requestContext": context}
        | several_values(request)
    )


def http_v1(recorded, request):
    return rest_request(recorded, request)


def http_v2(recorded, request):
    context = recorded["requestContext"]
    del context["authentication"]
    context |= {"stage": STAGE, "apiId": API.rsplit(":", 1)[1], "domainName": request.host}
    context["http"] |= {"method": "GET", "path": request.path, "sourceIp": "192.0.2.7"}
    names = {name.lower() for name, _ in request.headers}
    # Values of one name come joined by commas.
    headers = {name: ",".join(request.values(name)) for name in names}
    return recorded | {
        "routeArn": arn(request.path),
        "rawPath": request.path,
        "rawQueryString": request.query,
        "queryStringParameters": {},
        "headers": headers,
        "cookies": [],
        "requestContext": context,
    }


def websocket(recorded, request):
    stage = request.path.removeprefix("/")
    recorded["requestContext"] |= {"stage": stage, "domainName": request.host}
    return recorded | {"methodArn": f"{API}/{stage}/$connect"} | several_values(request)


def several_values(request):
    """Header fields and query as REST APIs and format 1.0 tell them: the last value, and all values."""
    names = {name for name, _ in request.headers}
    pairs = [pair.partition("=")[::2] for pair in request.query.split("&") if pair]
    return {
        "headers": dict(request.headers),
        "multiValueHeaders": {name: request.values(name) for name in names},
        "queryStringParameters": dict(pairs),
        "multiValueQueryStringParameters": {name: [v for n, v in pairs if n == name] for name, _ in pairs},
    }
