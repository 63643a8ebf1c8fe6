"""The real `bootstrap` under a small Lambda runtime API, one event at a time.

The API is that of the AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes".
"""

import json
import queue
import uuid
from dataclasses import dataclass, field

from function_log import Log
from localaws import loopback, paths
from localaws.processes import ComponentFailure, Process, plain_environment

PREFIX = "/2018-06-01/runtime/"
FUNCTION = "portcullis-native"
PATIENCE_SECONDS = 15


@dataclass
class Outcome:
    """What became of one event: `answer`, or `error` with what the function reported; and what was logged."""

    answer: object = None
    error: dict | None = None
    log: Log = field(default_factory=lambda: Log([]))


class RuntimeApi:
    """Hands events to a function, and takes its answers."""

    def __init__(self):
        self._events = queue.Queue()
        self._outcomes = queue.Queue()
        api = self

        class Handler(loopback.Handler):
            protocol_version = "HTTP/1.1"
            # Else the body of an event waits for the function to acknowledge the head.
            disable_nagle_algorithm = True

            def do_GET(self):
                request_id, event = api._events.get()
                if request_id is None:
                    self.close_connection = True
                    return
                headers = {
                    "Lambda-Runtime-Aws-Request-Id": request_id,
                    "Lambda-Runtime-Deadline-Ms": "4102444800000",
                    "Lambda-Runtime-Invoked-Function-Arn": f"arn:aws:lambda:us-east-1:123456789012:function:{FUNCTION}",
                }
                self.answer(200, headers.items(), event)

            def do_POST(self):
                body = self.body() or b"null"
                self.answer(202, [], b"{}")
                request_id, _, kind = self.path.removeprefix(f"{PREFIX}invocation/").partition("/")
                api._outcomes.put((request_id, kind, json.loads(body)))

        self._server = loopback.Server(Handler)
        self.address = f"127.0.0.1:{self._server.port}"

    def invoke(self, event):
        """The outcome of one event, by the id that the function was given for it."""
        request_id = str(uuid.uuid4())
        self._events.put((request_id, json.dumps(event).encode()))
        answered, kind, body = self._outcomes.get(timeout=PATIENCE_SECONDS)
        assert answered == request_id, f"the function answered {answered} ({kind}): {body}"
        return request_id, Outcome(answer=body) if kind == "response" else Outcome(error=body)

    def stop(self):
        self._events.put((None, None))
        self._server.stop()


class NativeAuthorizer:
    """`bootstrap` with these settings, until it is stopped. `run_by` are words of a command that runs it."""

    def __init__(self, directory, run_by=(), **settings):
        if not paths.BOOTSTRAP.exists():
            raise ComponentFailure("authorizer", f"{paths.BOOTSTRAP} is missing: run `make build` first")
        self._api = RuntimeApi()
        self._read = 0
        lambdas = {
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_REGION": "us-east-1",
        }
        environment = plain_environment(**lambdas, **settings)
        self.process = Process("authorizer", [*run_by, paths.BOOTSTRAP], directory, environment)

    def answer(self, event):
        """The request id and the outcome of an authorizer event, without its log: for events by the thousand."""
        try:
            return self._api.invoke(event)
        except queue.Empty:
            raise self.process.failure(f"gave no answer within {PATIENCE_SECONDS} s") from None

    def invoke(self, event):
        """What the function answers to an authorizer event, with the log lines of that event."""
        request_id, outcome = self.answer(event)
        outcome.log = Log(line for line in self._new_lines() if '"_aws"' in line or request_id in line)
        return outcome

    def _new_lines(self):
        """What was written since the last call. The function writes the lines of an event before it answers."""
        log = self.process.log()
        new, self._read = log[self._read :], len(log)
        return new.splitlines()

    def stop(self):
        self.process.stop()
        self._api.stop()
