"""The decision service as the control plane of Cloudentity gateways, and a gateway whose APIs are known to it."""

import json
import os
import subprocess
import urllib.parse

from localaws import paths
from localaws.calls import Endpoint, bearer
from localaws.processes import Process, free_port, plain_environment

SCOPED = {"name": "identity-context", "conf": {"fields": [{"field": "scope", "comparator": "contains", "value": "silver"}]}}


class ControlPlane:
    """`portcullis serve` on a database of its own, and a token to administer it with."""

    def __init__(self, directory, issuer):
        self.endpoint = Endpoint(free_port())
        database = f"sqlite:{directory / 'portcullis.db'}"
        made = subprocess.run(
            [paths.PORTCULLIS, "admin", "token", "create", "--name", "howto", "--role", "deployer", "--database-url", database],
            env=plain_environment(), capture_output=True, text=True, check=True,
        )
        self.token = made.stdout.strip()
        self.process = Process(
            "control plane",
            [paths.PORTCULLIS, "serve", "--database-url", database, "--listen", f"127.0.0.1:{self.endpoint.port}",
             "--public-url", self.endpoint.url],
            directory,
            plain_environment(PORTCULLIS_STATE_KEY=os.urandom(32).hex()),
        )
        self.process.wait_until(self._is_up, seconds=20)
        server = {"name": "Solar System IdP", "type": "EXTERNAL", "issuers": [issuer], "portcullis": {"profile": "generic"}}
        self.server = self.post("/v1/environments/default/externalOAuthServers", server)["id"]

    def _is_up(self):
        try:
            return self.endpoint.call("/health/live", timeout=2).status == 200
        except OSError:
            return False

    def ask(self, method, path, body=None):
        headers = bearer(self.token) + [("Content-Type", "application/json")]
        text = None if body is None else json.dumps(body).encode()
        answer = self.endpoint.call(path, headers, method, text)
        assert answer.status in (200, 201, 204), f"{method} {path}: {answer.status} {answer.body}"
        return answer.json() if answer.body else None

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, body):
        return self.ask("POST", path, body)

    def admin(self, path):
        return f"/api/admin/default{path}"

    def silver_policy(self):
        """The id of a new policy that asks for the scope silver."""
        return self.post(self.admin("/policies"), {
            "server_id": self.server, "policy_name": "Silver", "language": "cloudentity", "type": "api", "validators": [SCOPED],
        })["id"]

    def stop(self):
        self.process.stop()


class Gateway:
    """A gateway, and the API of API Gateway that it has told the control plane of: GET of each path.

    `api` has `api_id`, `api_name` and `stage`. `client` and `issuer_url` are what the function is set up with.
    """

    def __init__(self, plane, name, api, apis):
        self._plane = plane
        made = plane.post(plane.admin("/gateways"), {
            "server_id": plane.server, "name": name, "type": "aws", "create_and_bind_services_automatically": True,
        })
        self.id, self.client, self.issuer_url = made["id"], made["client"], made["issuer_url"]
        tell(plane.endpoint, self.client, api, apis)

    def assign(self, policies):
        """Ids of policies by path; an empty one takes the policy away."""
        plane = self._plane
        (group,) = plane.get(plane.admin(f"/gateways/{self.id}/groups"))["groups"]
        for one in plane.get(plane.admin(f"/services/{group['service_id']}/apis"))["apis"]:
            if one["path"] in policies:
                plane.ask("PUT", plane.admin(f"/apis/{one['id']}"), {"policy_id": policies[one["path"]]})


def tell(endpoint, client, api, apis):
    """What the function of a gateway does when it has found an API."""
    form = urllib.parse.urlencode({"grant_type": "client_credentials"} | {
        name: client[name] for name in ("client_id", "client_secret")
    })
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    token = endpoint.call("/default/system/oauth2/token", headers, "POST", form.encode()).json()
    headers = [("Content-Type", "application/json"), *bearer(token["access_token"])]
    found = [{"api_type": "rest", "method": "GET", "path": path} for path in apis]
    group = {"id": "group", "name": "Group", "metadata": {"type": "aws", "aws": api}, "apis": found}
    path = "/api/system/default/gateways/configuration"
    answer = endpoint.call(path, headers, "POST", json.dumps({"api_groups": [group]}).encode())
    assert answer.status == 200, answer.body
