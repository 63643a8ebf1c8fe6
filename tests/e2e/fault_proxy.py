"""Stands between a gateway and its control plane, and can be told to get in the way."""

import http.client
import threading
import time

from localaws import loopback


class FaultProxy:
    """Hands every request on to `port` of this machine, but for what `fault` does to those whose path has `part` in it.

    `fault` is None or one of the functions below; it is called with the handler and a function that gives the real
    answer as (status, headers, body). Requests are kept in `calls`, as (method, path).
    """

    def __init__(self, port):
        self.fault = None
        self.part = ""
        self.calls = []
        # Set when nothing is wrong any more: whoever is kept waiting is let go.
        self.over = threading.Event()
        proxy = self

        class Handler(loopback.Handler):
            protocol_version = "HTTP/1.1"
            # Else the body of an answer waits for the caller to acknowledge the head.
            disable_nagle_algorithm = True

            def handle_request(self):
                body = self.body()
                proxy.calls.append((self.command, self.path))

                def real():
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                    try:
                        connection.request(self.command, self.path, body, dict(self.headers))
                        response = connection.getresponse()
                        hop = ("connection", "content-length", "transfer-encoding", "date", "server")
                        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in hop]
                        return response.status, headers, response.read()
                    finally:
                        connection.close()

                fault = proxy.fault if proxy.part in self.path else None
                try:
                    if fault is None:
                        self.answer(*real())
                    else:
                        fault(self, real)
                except OSError:
                    # One of both is gone, which is what these tests are about.
                    self.close_connection = True

            do_GET = do_POST = handle_request

            def answer(self, status, headers, content, length=None):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                if status != 304:
                    self.send_header("Content-Length", str(len(content) if length is None else length))
                self.end_headers()
                self.wfile.write(content)

        Handler.proxy = self
        self._server = loopback.Server(Handler)
        self.port = self._server.port
        self.url = self._server.url

    def go_wrong(self, fault, part=""):
        self.part = part
        self.over.clear()
        self.fault = fault

    def go_right(self):
        self.fault = None
        self.over.set()

    def stop(self):
        self.go_right()
        self._server.stop()


def status(code, *headers):
    """Answers with that status and an error in JSON."""

    def fault(handler, _real):
        handler.answer(code, [("Content-Type", "application/json"), *headers], b'{"error": "broken"}')

    return fault


def slow(seconds):
    """The real answer, late."""

    def fault(handler, real):
        time.sleep(seconds)
        handler.answer(*real())

    return fault


def silent(handler, _real):
    """No answer, for as long as it is wrong."""
    handler.proxy.over.wait(60)
    handler.close_connection = True


def closed(handler, _real):
    """The connection is closed."""
    handler.close_connection = True


def cut_short(handler, real):
    """Half of the real answer, whose head promises all of it."""
    code, headers, content = real()
    handler.answer(code, headers, content[: len(content) // 2], length=len(content))
    handler.close_connection = True


def truncated(handler, real):
    """Half of the real answer, and a head that says no more of it."""
    code, headers, content = real()
    handler.answer(code, headers, content[: len(content) // 2])


def no_http(handler, _real):
    """Something else than HTTP."""
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    handler.close_connection = True


def error_page(handler, _real):
    """A page for people, with status 200."""
    handler.answer(200, [("Content-Type", "text/html")], b"<h1>We will be back soon</h1>")
