"""The authorization server of the solar system example: starts it and gets tokens from it."""

import base64
import json
import urllib.parse

from . import paths
from .calls import Endpoint
from .processes import ComponentFailure, Process, plain_environment

DIRECTORY = paths.SOLAR_SYSTEM / "authorization-server"


class AuthorizationServer:
    def __init__(self, directory, app_origin=None):
        """`app_origin` is where the app is that users sign in to; without one nobody can."""
        if not (DIRECTORY / "node_modules").is_dir():
            raise ComponentFailure("authorization server", f"run `npm ci` in {DIRECTORY} first")
        self.process = Process(
            "authorization server",
            ["node", DIRECTORY / "server.js", "0", *([app_origin] if app_origin else [])],
            directory,
            plain_environment(),
        )
        ready = self.process.wait_until(self._ready_line, seconds=30)
        self.issuer = ready["issuer"]
        self.token_endpoint = ready["token_endpoint"]
        self.resource = ready["resource"]
        self.clients = ready["clients"]
        self.users = ready["users"]
        self.app = ready["app"]

    def _ready_line(self):
        for line in self.process.log().splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                return json.loads(line)
        return None

    def token(self, client):
        """An access token for the client with all the scopes that it holds."""
        form = {"grant_type": "client_credentials", "resource": self.resource}
        if self.clients[client]["scopes"]:
            form["scope"] = " ".join(self.clients[client]["scopes"])
        credentials = base64.b64encode(f"{client}:{self.clients[client]['secret']}".encode()).decode()
        url = urllib.parse.urlsplit(self.token_endpoint)
        answer = Endpoint(url.port).call(
            url.path,
            [("Authorization", f"Basic {credentials}"), ("Content-Type", "application/x-www-form-urlencoded")],
            method="POST",
            body=urllib.parse.urlencode(form).encode(),
        )
        if answer.status != 200:
            raise self.process.failure(f"answered {answer.status} to {client}: {answer.body[:300]!r}")
        return answer.json()["access_token"]

    def stop(self):
        self.process.stop()
