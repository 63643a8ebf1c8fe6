"""Those who ask: gateways that speak the sideband protocol themselves, and the real `bootstrap` under a Lambda runtime API."""

import copy
import http.client
import json
import queue
import time
from fnmatch import fnmatchcase

from authorizer_events import Request, arn, event
from cases import AUDIENCE, HOST
from ledger import DENY, NONE, PERMIT, Reply
from localaws.processes import ComponentFailure
from native_authorizer import NativeAuthorizer

# After a call that failed, so that a service which refuses connections is not asked in a tight loop.
PAUSE_SECONDS = 0.02


class Gateway:
    """Asks the decision service over one connection that it keeps, and never a second time."""

    attempts = 1

    def __init__(self, number, port, credential, timeout=2.0):
        self.name = f"gateway {number}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self._headers = {"Client-Token": credential, "Content-Type": "application/json"}

    def ask(self, line):
        body = json.dumps(sideband_request(line))
        try:
            self._connection.request("POST", "/sideband/request", body, self._headers)
            response = self._connection.getresponse()
            status, decision, content = response.status, response.getheader("Correlation-Id"), response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            time.sleep(PAUSE_SECONDS)
            return Reply(NONE, note=repr(error))
        if status != 200:
            time.sleep(PAUSE_SECONDS)
        return sideband_reply(line, status, decision, content)

    def finish(self, _lines):
        self._connection.close()

    def stop(self):
        self._connection.close()


def sideband_request(line):
    """What the sideband protocol says of this request."""
    return {
        "source_ip": "192.0.2.7", "source_port": "40000", "method": "GET", "url": f"{AUDIENCE}{line.path}",
        "http_version": "1.1", "headers": [{"Host": HOST}, *({name: value} for name, value in line.case.headers)],
    }


def sideband_reply(line, status, decision, content):
    """What an answer of the service means."""
    if status != 200:
        return Reply(NONE, decision=decision, note=f"status {status}")
    reply = json.loads(content)
    note = "" if reply["url"] == f"{AUDIENCE}{line.path}" else "the echo is of another request"
    return Reply(DENY if "response" in reply else PERMIT, decision=decision, note=note)


def lets_through(statements, arn):
    """Whether API Gateway would, on a policy with these statements: an allow that fits, and no deny that does."""

    def fits(effect):
        named = [one for statement in statements if statement["Effect"] == effect for one in resources(statement)]
        return any(fnmatchcase(arn, one) for one in named)

    return fits("Allow") and not fits("Deny")


def resources(statement):
    found = statement["Resource"]
    return found if isinstance(found, list) else [found]


class Authorizer:
    """A Lambda authorizer, one event at a time as Lambda does. `settings` say who decides; `decides_itself` whether it does."""

    def __init__(self, number, directory, retries=1, run_by=(), decides_itself=False, **settings):
        self.name = f"authorizer {number}"
        # The HTTP client sends a request again where the connection broke off while it lay idle (pdp::http::Http::send).
        self.attempts = 0 if decides_itself else 2 * (1 + retries)
        directory = directory / f"authorizer-{number}"
        directory.mkdir()
        self.native = NativeAuthorizer(directory, run_by, MAX_RETRIES=str(retries), **settings)
        self._template = event("rest_request", Request("/", (("Authorization", ""),), host=HOST))
        self._requests = {}

    @property
    def pid(self):
        return self.native.process.pid

    def ask(self, line):
        sent = self._event(line)
        try:
            request_id, outcome = self.native.answer(sent)
        except (queue.Empty, ComponentFailure) as error:
            return Reply(NONE, note=f"the function gave no answer: {error!r}")
        self._requests[request_id] = line
        return self._reply(sent, outcome)

    def _event(self, line):
        sent = copy.deepcopy(self._template)
        headers = dict(line.case.headers)
        sent |= {"path": line.path, "methodArn": arn(line.path), "headers": headers}
        sent["requestContext"]["path"] = line.path
        sent["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
        return sent

    @staticmethod
    def _reply(sent, outcome):
        if outcome.error is not None:
            if outcome.error.get("errorMessage") == "Unauthorized":
                return Reply(DENY)
            return Reply(NONE, note=outcome.error.get("errorMessage", "an error")[:100])
        context = outcome.answer["context"]
        statements = outcome.answer["policyDocument"]["Statement"]
        allowed = lets_through(statements, sent["methodArn"])
        # "Somebody else has decided": the reason that counts is in the record then, and the policy is for this request.
        asked_somebody = context.get("reason", "").endswith("_by_decision_point")
        wider = asked_somebody and allowed and [resources(statement) for statement in statements] != [[sent["methodArn"]]]
        return Reply(
            PERMIT if allowed else DENY, None if asked_somebody else context.get("reason"), context.get("decision_id"),
            "a policy of another request" if wider else "",
        )

    def finish(self, _lines):
        """The answer 401 has no decision id; the log has it."""
        for text in self.native.process.log().splitlines():
            if '"decided"' not in text or not text.startswith("{"):
                continue
            try:
                entry = json.loads(text)
            except ValueError:
                # Cut off by a disk that was full.
                continue
            line = self._requests.get(entry.get("requestId"))
            if line is not None and line.reply.outcome == DENY and entry.get("decision") == "unauthorized":
                line.reply.decision = entry.get("decision_id")

    def stop(self):
        self.native.stop()
