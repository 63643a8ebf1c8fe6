"""The package of the edge function, as `portcullis package edge` writes it, in the stand-ins for CloudFront and Lambda."""

import json
import subprocess
import time
import zipfile

from edge_runner import RUNNER, Origin, Runners
from function_log import Log
from localaws import paths
from localaws.processes import ComponentFailure, plain_environment

FOLDER = "aws-lambda-authorizer/src"
EVENT = json.loads(
    (paths.REPOSITORY.parent / "shared" / "data" / "events" / "cloudfront_viewer_request.awsdocs.json").read_text()
)
UNAVAILABLE = {
    "status": "503",
    "statusDescription": "Service Unavailable",
    "headers": {"cache-control": [{"key": "Cache-Control", "value": "no-store"}]},
}


def viewer_request(uri="/", headers=(), **request):
    """The recorded event with another request. `headers` are pairs, added to those that were recorded."""
    event = json.loads(json.dumps(EVENT))
    asked = event["Records"][0]["cf"]["request"]
    for name, value in headers:
        asked["headers"].setdefault(name.lower(), []).append({"key": name, "value": value})
    asked |= {"uri": uri, **request}
    return event


class Reply:
    """What a viewer got, and what the runner says of it."""

    def __init__(self, answer, record):
        self._answer, self.record = answer, record
        self.status, self.body = answer.status, answer.body
        self.outcome = record["outcome"]
        self.log = Log(record.get("log", []))

    def header(self, name):
        return self._answer.header(name)

    def json(self):
        return self._answer.json()


class Function:
    """A package in the runner. Whatever it answers, CloudFront would have taken it: 502 fails the test."""

    def __init__(self, served):
        self._served = served

    def call(self, path="/things", headers=(), **request):
        return self.reply(self._served.call(path, headers, **request))

    def reply(self, answer):
        """`answer` with the record of its request, which the runner writes after it."""
        request_id = answer.header("x-amz-cf-id")
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for record in reversed(self._served.records_so_far()):
                if record["requestId"] == request_id:
                    assert record["outcome"] not in ("invalid", "error", "timeout"), record
                    return Reply(answer, record)
            time.sleep(0.005)
        raise self._served.process.failure(f"has no record of request {request_id}")


class Fed:
    """A package in an instance of its own, which is given events as they are."""

    def __init__(self, package, options):
        command = ["node", RUNNER / "feed.js", f"--package={package}", *options]
        self._process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=plain_environment()
        )
        self.printed = []

    def event(self, event):
        """The verdict on the answer to that event: `kind`, `result`, `rule`, and `log`."""
        run = self._command(event=event)
        self.printed += run["log"]
        assert run["outcome"] == "returned" and run["kind"] != "invalid", run
        return run | {"log": Log(run["log"])}

    def freeze(self):
        self._command(freeze=True)

    def thaw(self):
        self._command(thaw=True)

    def _command(self, **command):
        self._process.stdin.write(f"{json.dumps(command)}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise ComponentFailure("feed.js", f"ended with status {self._process.wait()}")
        return json.loads(line)

    def stop(self):
        self._process.stdin.close()
        self._process.wait(timeout=10)


class EdgeFunctions:
    """Makes packages and runs them in front of one origin, and keeps watch over what they print.

    What is in `secrets` must be in no line of any of them, which `stop` looks at.
    """

    def __init__(self, directories):
        self._directories = directories
        self.origin = Origin()
        self._runners = Runners(self.origin, directories)
        self._served = []
        self._fed = []
        self._by_hand = None
        self.secrets = set()

    def package(self, settings, **files):
        """The zip with these settings, and with `files` beside edge.toml."""
        folder = self._directories.mktemp("edge")
        for name, content in files.items():
            (folder / name).write_text(content)
        toml = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        (folder / "edge.toml").write_text(toml)
        return self._write(folder, "--config", folder / "edge.toml")

    def by_hand(self):
        """The zip whose config.js is to be filled in."""
        self._by_hand = self._by_hand or self._write(self._directories.mktemp("edge"))
        return self._by_hand

    def unpacked(self, package):
        """The folder of the handler, in a copy of a package that may be edited, and the copy."""
        copy = self._directories.mktemp("unpacked")
        with zipfile.ZipFile(package) as archive:
            archive.extractall(copy)
        return copy / FOLDER, copy

    def with_config(self, script):
        """An unpacked package with that text in its config.js."""
        folder, copy = self.unpacked(self.by_hand())
        (folder / "config.js").write_text(script)
        return copy

    def with_clock(self, package):
        """A copy of a package whose clocks run ahead, by as many seconds as the function is told that comes with it."""
        folder, copy = self.unpacked(package)
        host, file = folder / "host.js", folder / "ahead"
        source = host.read_text()
        ahead = f"1000 * Number(fs.readFileSync({json.dumps(str(file))}, 'utf8'))"
        for now in ("performance.now()", "Date.now()"):
            assert source.count(now) == 1
            source = source.replace(now, f"{now} + {ahead}")
        host.write_text(source)
        file.write_text("0")

        def pass_by(seconds):
            file.write_text(str(int(file.read_text()) + seconds))

        return copy, pass_by

    def run(self, package, *options, **environment):
        """The package in the runner."""
        served = self._runners.start(package, *options, environment=environment)
        self._served.append(served)
        return Function(served)

    def feed(self, package, *options):
        """The package in an instance that is given events."""
        fed = Fed(package, options)
        self._fed.append(fed)
        return fed

    def printed(self):
        """Every line that any of the functions wrote."""
        records = [record for served in self._served for record in served.records_so_far()]
        texts = [line for record in records for line in record.get("log", [])]
        return [part for text in [*texts, *(line for fed in self._fed for line in fed.printed)] for part in text.splitlines()]

    def leaks(self):
        """The secrets that a line of a log holds."""
        everything = "\n".join(self.printed())
        return sorted(secret for secret in self.secrets if secret in everything)

    def stop(self):
        self._runners.stop()
        for fed in self._fed:
            fed.stop()
        self.origin.stop()
        assert not self.leaks(), f"{len(self.leaks())} secrets are in the log"

    def _write(self, folder, *options):
        package = folder / "edge.zip"
        done = subprocess.run(
            [paths.PORTCULLIS, "package", "edge", "-o", package, *options],
            env=plain_environment(), capture_output=True, text=True,
        )
        if done.returncode != 0:
            raise ComponentFailure("portcullis package edge", done.stderr.strip())
        return package
