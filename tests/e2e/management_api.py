"""The decision service with a database and an administrator, and schemathesis to try its management API with."""

import json
import os
import subprocess
import sys
from pathlib import Path

from localaws import paths
from localaws.calls import Endpoint, bearer
from localaws.processes import Process, free_port, plain_environment

ROOT = "/v1/environments/main"
# Fewer operations than that would not be those of the document.
LEAST_OPERATIONS = 35
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


class ManagementApi:
    """`portcullis serve` on SQLite, with a deployer whose token is in its environment."""

    def __init__(self, directory):
        self.directory = directory
        self.database = f"sqlite:{directory / 'portcullis.db'}"
        self.token = os.urandom(32).hex()
        self.endpoint = Endpoint(free_port())
        self.process = Process(
            "decision service",
            [paths.PORTCULLIS, "serve", "--database-url", self.database,
             "--listen", f"127.0.0.1:{self.endpoint.port}", "--log-level", "warn"],
            directory,
            plain_environment(PORTCULLIS_ADMIN_TOKEN=self.token),
        )
        self.process.wait_until(self._is_up, seconds=20)

    def _is_up(self):
        try:
            return self.endpoint.call("/health/live", timeout=2).status == 200
        except OSError:
            return False

    def administrator(self, role):
        """The token of a new administrator."""
        made = subprocess.run(
            [paths.PORTCULLIS, "admin", "token", "create", "--name", role, "--role", role, "--database-url", self.database],
            env=plain_environment(), capture_output=True, text=True, check=True,
        )
        return made.stdout.strip()

    def get(self, path):
        return self.endpoint.call(f"{ROOT}{path}", bearer(self.token))

    def document(self):
        return self.endpoint.call("/openapi.json").json()

    def post(self, path, body):
        """Makes something and returns its id."""
        headers = [*bearer(self.token), ("Content-Type", "application/json")]
        answer = self.endpoint.call(f"{ROOT}{path}", headers, "POST", json.dumps(body).encode())
        assert answer.status == 201, f"{path}: {answer.status} {answer.body}"
        return answer.json()["id"]

    def one_of_each(self):
        """Makes something to be read, changed and deleted of each kind; by the parameters that stand for their ids."""
        server = self.post("/externalOAuthServers", {"name": "One", "type": "EXTERNAL", "issuers": ["https://idp.example.com"]})
        source = {"type": "EXTERNAL", "externalOAuthServer": {"id": server, "audience": "api"}}
        base = {"name": "One", "baseUrls": ["https://one.example.com"], "authorizationServer": source}
        service = self.post("/apiServers", base)
        path = {"type": "EXACT", "pattern": "/one"}
        operation = self.post(f"/apiServers/{service}/operations", {"name": "One", "paths": [path]})
        policy = self.post("/policies", {"name": "one.yaml", "text": "validators: [{ name: 'true' }]"})
        gateway = self.post("/gateways", {"name": "One", "type": "API_GATEWAY_INTEGRATION"})
        credential = self.post(f"/gateways/{gateway}/credentials", {})
        files = [{"path": "services/one.yaml", "text": "name: One\nbase_urls: [https://deployed.example.com]\nunmatched: open\n"}]
        deployment = self.post("/deployments", {"sources": files})
        ids = [server, service, operation, policy, gateway]
        return {"id": ids, "service": [service], "credential": [credential], "number": [int(deployment)]}

    def configuration(self):
        """That of schemathesis, with the ids of what there is: made-up ones are those of nothing."""
        text = CONFIGURATION.read_text()
        for name, values in self.one_of_each().items():
            text += f"\n[dictionaries.{name}]\nvalues = {json.dumps(values)}\n"
            text += f"[parameters.\"path.{name}\"]\ndictionary = \"{name}\"\nprobability = 0.8\n"
        file = self.directory / "schemathesis.toml"
        file.write_text(text)
        return file

    def schemathesis(self, *options):
        """Tries every operation of the document, and returns whether all checks held, and what was said."""
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", self.configuration(),
                   "run", f"{self.endpoint.url}/openapi.json", "--no-color", *options]
        done = subprocess.run(
            command, cwd=self.directory, env=plain_environment(PORTCULLIS_ADMIN_TOKEN=self.token),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )
        return done.returncode == 0, done.stdout

    def stop(self):
        self.process.stop()
