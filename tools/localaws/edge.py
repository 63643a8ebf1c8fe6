"""CloudFront on this machine: the runner of tests/edge with the packaged function, in front of an origin without a guard."""

import importlib.util
import json
import re
import subprocess

from . import loopback, paths
from .processes import ComponentFailure, Process, plain_environment

RUNNER = paths.REPOSITORY / "tests" / "edge" / "runner.js"
BACKEND = paths.SOLAR_SYSTEM / "backend" / "app.py"


class Origin:
    """The backend of the example behind HTTP, as an API that only CloudFront guards would be."""

    def __init__(self):
        source = importlib.util.spec_from_file_location("backend", BACKEND)
        backend = importlib.util.module_from_spec(source)
        source.loader.exec_module(backend)

        class Handler(loopback.Handler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                answer = backend.handler({"rawPath": self.path.split("?")[0]}, None)
                self.answer(answer["statusCode"], answer["headers"].items(), answer["body"].encode())

        self._server = loopback.Server(Handler)
        self.url = self._server.url

    def stop(self):
        self._server.stop()


def package(directory, settings, *options):
    """Writes the function with those settings into a zip, and answers with its path."""
    file, output = directory / "edge.toml", directory / "edge.zip"
    # A string or a number of JSON is one of TOML, too.
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
    command = [paths.PORTCULLIS, "package", "edge", "-o", output, "--config", file, *options]
    done = subprocess.run(command, capture_output=True, text=True, env=plain_environment(), check=False)
    if done.returncode != 0:
        raise ComponentFailure("portcullis package edge", "did not write the function", done.stderr)
    return output


class CloudFront:
    """A distribution whose viewer requests the function sees."""

    def __init__(self, name, function, origin, directory, *options):
        self.process = Process(
            name,
            ["node", RUNNER, f"--package={function}", f"--origin={origin.url}", *options],
            directory,
            plain_environment(),
        )
        self.port = int(self.process.wait_until(self._address, seconds=20))

    def _address(self):
        found = re.search(r"^listening on http://127\.0\.0\.1:(\d+)$", self.process.log(), re.MULTILINE)
        return found and found[1]

    def stop(self):
        self.process.stop()
