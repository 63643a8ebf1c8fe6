"""Stands between a client and AWS on this machine, and can be told to get in the way."""

import http.client
import json
import re

from localaws import loopback

# MiniStack keeps the TTL of an authorizer as the text that CloudFormation or a patch gives it; AWS has a number.
TTL_AS_TEXT = re.compile(rb'("authorizerResultTtlInSeconds": ?)"([0-9]+)"')
WRITES = {"POST", "PUT", "PATCH", "DELETE"}


class AwsProxy:
    """Hands every request on to the port of the local AWS.

    `throttled` is how many requests to API Gateway are still answered with 429. `after_write` is called with the number of each
    request that changes something, from 1, once AWS has carried it out and before the client hears of it. `page`, where
    set, is how many entries a page of a REST API's list has. Requests are kept in `calls`, as (method, path).
    """

    def __init__(self, port):
        self.throttled = 0
        self.page = None
        self.after_write = lambda number: None
        self.calls = []
        self._writes = 0
        proxy = self

        class Handler(loopback.Handler):
            protocol_version = "HTTP/1.1"

            def handle_request(self):
                body = self.body()
                proxy.calls.append((self.command, self.path))
                if proxy.throttled > 0 and self.path != "/":
                    proxy.throttled -= 1
                    self.answer(
                        429,
                        [("x-amzn-ErrorType", "TooManyRequestsException"), ("Content-Type", "application/json")],
                        json.dumps({"message": "Too Many Requests"}).encode(),
                    )
                    return
                path = self.path.replace("limit=500", f"limit={proxy.page}") if proxy.page else self.path
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request(self.command, path, body, dict(self.headers))
                response = connection.getresponse()
                content = TTL_AS_TEXT.sub(rb"\1\2", response.read())
                # STS is asked by POST, and changes nothing.
                if self.command in WRITES and self.path != "/":
                    proxy._writes += 1
                    proxy.after_write(proxy._writes)
                hop = ("connection", "content-length", "transfer-encoding", "date", "server")
                self.answer(
                    response.status,
                    [(name, value) for name, value in response.getheaders() if name.lower() not in hop],
                    content,
                )
                connection.close()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request

            def answer(self, status, headers, content):
                try:
                    super().answer(status, headers, content)
                except OSError:
                    # The client is gone, which is what some of these tests are about.
                    self.close_connection = True

        self._server = loopback.Server(Handler)
        self.port = self._server.port

    def stop(self):
        self._server.stop()
