"""The viewer-request runner of tests/edge with a function in it, and an origin behind it."""

import base64
import json
import re
import socket

from conftest import eventually
from localaws import loopback, paths
from localaws.calls import Endpoint
from localaws.processes import Process, plain_environment

RUNNER = paths.REPOSITORY / "tests" / "edge"
EVENTS = paths.REPOSITORY.parent / "shared" / "data" / "events"
HANDLER = "aws-lambda-authorizer/src/aws-lambda-authorizer.js"

ALLOW = "exports.handler = async (event) => event.Records[0].cf.request;"
# Says what the function sees, in a header that reaches the origin.
TELL = """exports.handler = async (event) => {
  const { request } = event.Records[0].cf;
  request.headers['x-event'] = [{ value: Buffer.from(JSON.stringify(event)).toString('base64') }];
  return request;
};"""


class Origin:
    """An origin that keeps what it is asked and answers by `behaviour`, a function of the handler."""

    def __init__(self):
        self.calls = []
        self.behaviour = answer_ok
        origin = self

        class Handler(loopback.Handler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.body()
                origin.calls.append(Call(self.command, self.path, self.headers.items(), body))
                origin.behaviour(self)

            do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = do_GET

        self._server = loopback.Server(Handler)
        self.port = self._server.port

    def stop(self):
        self._server.stop()


class Call:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body

    def values(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def event(self):
        """The event that the handler TELL saw."""
        return json.loads(base64.b64decode(self.values("x-event")[0]))["Records"][0]["cf"]

    def seen(self, name):
        """The values of a header that the handler TELL saw, in order, or None."""
        entries = self.event["request"]["headers"].get(name)
        return entries and [entry["value"] for entry in entries]


def answer_ok(handler):
    handler.send_response(200, "Fine")
    handler.send_header("Content-Length", "9")
    handler.send_header("Set-Cookie", "a=1")
    handler.send_header("Set-Cookie", "b=2")
    handler.send_header("Keep-Alive", "timeout=9")
    handler.send_header("Connection", "x-hop")
    handler.send_header("X-Hop", "one connection")
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(b"from here")


class Served:
    """A runner with one function in front of the origin."""

    def __init__(self, process):
        self.process = process
        self.port = int(process.wait_until(self._ready, seconds=20))
        self.endpoint = Endpoint(self.port)

    def _ready(self):
        found = re.search(r"^listening on http://127\.0\.0\.1:(\d+)$", self.process.log(), re.MULTILINE)
        return found and found[1]

    def call(self, path="/", headers=(), **request):
        return self.endpoint.call(path, headers, **request)

    def records(self, number):
        """What the runner says of its first `number` requests, once it has said it."""
        eventually(lambda: len(self.records_so_far()) >= number)
        return self.records_so_far()

    def records_so_far(self):
        return [json.loads(line) for line in self.process.log().splitlines(keepends=True) if is_record(line)]

    def send(self, request):
        """Sends bytes as they are, and returns all that comes back until the runner closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def is_record(line):
    return line.startswith("{") and line.endswith("\n")


def refused(answer):
    return answer.status, answer.header("x-runner-rule")


class Runners:
    """Starts runners in front of one origin, and ends them all."""

    def __init__(self, origin, tmp_path_factory):
        self._origin = origin
        self._directories = tmp_path_factory
        self._started = []

    def start(self, function, *options, address=None, environment=None):
        """`function` is the source of a handler, or the path of a package; `address` that of another origin."""
        package = write_package(self._directories.mktemp("package"), function) if isinstance(function, str) else function
        process = Process(
            "runner",
            [
                "node",
                RUNNER / "runner.js",
                f"--package={package}",
                f"--origin={address or f'http://127.0.0.1:{self._origin.port}'}",
                *options,
            ],
            self._directories.mktemp("runner"),
            plain_environment(**(environment or {})),
        )
        self._started.append(process)
        return Served(process)

    def stop(self):
        for process in self._started:
            process.stop()


def write_package(directory, source, **others):
    """A function in `directory`, with its handler where the runner looks for it and `others` beside it."""
    for name, content in {HANDLER: source, **others}.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return directory
