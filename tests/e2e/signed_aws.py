"""Stands before AWS on this machine, which takes every signature, and takes only the right ones, as AWS does.

What is right is computed by botocore, so by AWS's own code.
"""

import http.client
import json
import re

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localaws import loopback

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/[0-9]{8}/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)"
)
TYPE = [("Content-Type", "application/x-amz-json-1.1")]
# What a signature has to cover, beside the time and the token of a role.
SIGNED = {"host", "x-amz-date", "x-amz-target"}


class SignedAws:
    """Hands the requests that are signed with these credentials on to `port`, and refuses all others.

    `targets` are the operations that were asked for; `behaviour`, where set, answers in the place of AWS.
    """

    def __init__(self, port, access_key, secret_key, session_token):
        self.targets = []
        self.behaviour = None
        self._credentials = Credentials(access_key, secret_key, session_token)
        aws = self

        class Handler(loopback.Handler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.body()
                aws.targets.append(self.headers.get("X-Amz-Target"))
                if aws.behaviour is not None:
                    aws.behaviour(self)
                elif not aws.is_signed(self.path, self.headers, body):
                    self.answer(400, TYPE, json.dumps({"__type": "InvalidSignatureException"}).encode())
                else:
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                    connection.request("POST", self.path, body, dict(self.headers))
                    response = connection.getresponse()
                    self.answer(response.status, TYPE, response.read())
                    connection.close()

        self._server = loopback.Server(Handler)
        self.url = self._server.url

    def is_signed(self, path, headers, body):
        """Whether the signature is the one that botocore would make of the same request."""
        found = AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
        if not found or found[1] != self._credentials.access_key:
            return False
        _, region, service, names, signature = found.groups()
        signed = {name: headers[name] for name in names.split(";") if name in headers}
        wanted = SIGNED | ({"x-amz-security-token"} if self._credentials.token else set())
        if not wanted <= signed.keys() or signed.get("x-amz-security-token") != self._credentials.token:
            return False
        auth = SigV4Auth(self._credentials, service, region)
        request = AWSRequest("POST", f"http://{signed['host']}{path}", headers=signed, data=body)
        request.context["timestamp"] = signed["x-amz-date"]
        text = auth.string_to_sign(request, auth.canonical_request(request))
        return auth.signature(text, request) == signature

    def stop(self):
        self._server.stop()
