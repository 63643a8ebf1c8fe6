"""The app of the solar system example: its server, and where a browser finds it."""

import json
from pathlib import Path

from . import paths
from .calls import Endpoint
from .processes import Process, plain_environment

DIRECTORY = paths.SOLAR_SYSTEM / "app"


def origin(port):
    """Where the app will be, which the authorization server must know before the app is started."""
    return f"http://localhost:{port}"


class App:
    """The pages, and under /api/rest and /api/http the two APIs."""

    def __init__(self, directory, port, authorization_server, apis):
        settings = Path(directory) / "app-settings.json"
        settings.write_text(
            json.dumps(
                {
                    "port": port,
                    "issuer": authorization_server.issuer,
                    "resource": authorization_server.resource,
                    "client_id": authorization_server.app["client_id"],
                    "scopes": authorization_server.app["scopes"],
                    "apis": {"rest": _address(apis.rest), "http": _address(apis.http)},
                }
            )
        )
        self.endpoint = Endpoint(port, "localhost")
        self.process = Process("app", ["node", DIRECTORY / "server.js", settings], directory, plain_environment())
        self.process.wait_until(self._is_ready, seconds=30)

    @property
    def url(self):
        return f"{self.endpoint.url}/"

    def _is_ready(self):
        return json.dumps({"url": self.url}, separators=(",", ":")) in self.process.log()

    def stop(self):
        self.process.stop()


def _address(api):
    return {"port": api.port, "host": api.host, "prefix": api.prefix}
