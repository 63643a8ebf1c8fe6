"""`portcullis serve` on a database, with what is asked of it about its decisions."""

import json
import os
import re
import secrets
import shlex
import signal
import subprocess
import time

from cases import HOST
from localaws import paths
from localaws.calls import Endpoint, bearer
from localaws.processes import ComponentFailure, Process, free_port, plain_environment

DECISIONS = "/v1/environments/faults"
KEPT = 1_000_000
RECORDED_WITHIN_SECONDS = 20


class Service:
    """Decides with the first deployment of a database. `wrapper` is a command that runs the service's, such as in a
    namespace; `push_first` is false where the policy is pushed by it."""

    def __init__(self, directory, policy, issuer_url, database, wrapper=None, push_first=True, arguments=(), **environment):
        if not paths.PORTCULLIS.exists():
            raise ComponentFailure("decision service", f"{paths.PORTCULLIS} is missing: run `make build` first")
        self.directory, self.issuer_url = directory, issuer_url
        self.credential, self.admin = secrets.token_urlsafe(24), secrets.token_urlsafe(32)
        self.endpoint = Endpoint(free_port())
        self._wrapper, self._arguments = wrapper, list(arguments)
        self._environment = plain_environment(
            PORTCULLIS_GATEWAY_CREDENTIALS=self.credential, PORTCULLIS_ADMIN_TOKEN=self.admin,
            PORTCULLIS_DATABASE_URL=database, **environment,
        )
        if push_first:
            subprocess.run(push_command(policy, database), env=plain_environment(), check=True, capture_output=True)
        self.start()

    @property
    def pid(self):
        return self.process.pid

    @property
    def url(self):
        return self.endpoint.url

    def start(self):
        command = [
            paths.PORTCULLIS, "serve", "--listen", f"127.0.0.1:{self.endpoint.port}",
            "--decisions-kept", str(KEPT), *self._arguments,
        ]
        command = [str(part) for part in command]
        if self._wrapper:
            command = self._wrapper(shlex.join(command))
        self.process = Process("decision service", command, self.directory, self._environment)
        self.process.wait_until(self.is_ready, seconds=20)

    def is_ready(self):
        try:
            return self.endpoint.call("/health/ready", timeout=2).status == 200
        except OSError:
            return False

    def kill(self):
        """SIGKILL; returns when that was, as `checker.check_records` wants it."""
        began = time.monotonic()
        self.process.kill()
        return began, time.monotonic()

    def hang(self):
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

    def stop(self):
        self.process.stop()

    def records(self):
        """Every decision that is kept, once what was decided until now is written."""
        self._wait_for_the_last()
        return self.exported()

    def exported(self):
        answer = self.endpoint.call(f"{DECISIONS}/decisions.jsonl", bearer(self.admin))
        assert answer.status == 200, f"the export answered {answer.status}"
        return [json.loads(line) for line in answer.body.splitlines()]

    def _wait_for_the_last(self):
        """Decisions are written in the order in which they were made: when the last is there, all are."""
        body = (
            b'{"source_ip":"192.0.2.7","source_port":"1","method":"GET","url":"https://%b/last","http_version":"1.1",'
            b'"headers":[]}' % HOST.encode()
        )
        headers = [("Client-Token", self.credential), ("Content-Type", "application/json")]
        last = self.endpoint.call("/sideband/request", headers, "POST", body).header("Correlation-Id")
        deadline = time.monotonic() + RECORDED_WITHIN_SECONDS
        while self.endpoint.call(f"{DECISIONS}/decisions/{last}", bearer(self.admin)).status != 200:
            assert time.monotonic() < deadline, (
                f"a decision was not recorded within {RECORDED_WITHIN_SECONDS} s\n{self.process.log_tail()}"
            )
            time.sleep(0.1)

    def metric(self, name):
        """The value of a metric without labels, or with the labels in its name."""
        text = self.endpoint.call("/metrics").body.decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0


def push_command(policy, database):
    """Makes the policy the current deployment."""
    return [str(paths.PORTCULLIS), "policy", "push", str(policy), "--database-url", database]
