"""HTTP calls that go out exactly as written: no path is normalised, no header merged or added."""

import http.client
import json
from dataclasses import dataclass, field


@dataclass
class Answer:
    status: int
    headers: list = field(default_factory=list)
    body: bytes = b""

    def header(self, name):
        """The header's values, comma-joined, or None."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    def json(self):
        return json.loads(self.body)


@dataclass
class Endpoint:
    """Something that answers HTTP on loopback, perhaps under a virtual host and a path prefix."""

    port: int
    host: str = "127.0.0.1"
    prefix: str = ""

    @property
    def url(self):
        return f"http://{self.host}:{self.port}{self.prefix}"

    def call(self, path, headers=(), method="GET", body=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.putrequest(method, self.prefix + path, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", f"{self.host}:{self.port}")
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()


def bearer(token):
    return [("Authorization", f"Bearer {token}")]
