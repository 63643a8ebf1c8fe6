"""The decision service under test: `portcullis serve` on a policy directory."""

import secrets

from . import paths
from .calls import Endpoint
from .processes import ComponentFailure, Process, free_port, plain_environment


class DecisionService:
    def __init__(self, policy, directory, **environment):
        if not paths.PORTCULLIS.exists():
            raise ComponentFailure("decision service", f"{paths.PORTCULLIS} is missing: run `make build` first")
        self.policy = policy
        self.directory = directory
        self.environment = environment
        self.credential = secrets.token_urlsafe(24)
        self.endpoint = Endpoint(free_port())
        self.start()

    @property
    def url(self):
        return self.endpoint.url

    def start(self):
        """Starts the service, at the same address each time."""
        self.process = Process(
            "decision service",
            [paths.PORTCULLIS, "serve", "--policy", self.policy, "--listen", f"127.0.0.1:{self.endpoint.port}"],
            self.directory,
            plain_environment(PORTCULLIS_GATEWAY_CREDENTIALS=self.credential, **self.environment),
        )
        self.process.wait_until(self._is_ready, seconds=20)

    def _is_ready(self):
        try:
            return self.endpoint.call("/health/ready", timeout=2).status == 200
        except OSError:
            return False

    def kill(self):
        self.process.kill()

    def stop(self):
        self.process.stop()
