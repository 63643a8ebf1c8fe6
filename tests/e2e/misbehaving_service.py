"""A sideband service that can be told to misbehave, over HTTP or HTTPS."""

import json
import socket
import ssl
import time

from localaws import loopback


class SidebandService:
    """Answers every call by `behaviour`, a function of the handler and of the request as bytes.

    What came in is kept in `calls`, as (path, headers, body); `connections` counts those that a request came over.
    """

    def __init__(self, certificate=None, port=0):
        self.behaviour = permit
        self.calls = []
        self.connections = 0
        self._open = []
        service = self

        class Handler(loopback.Handler):
            protocol_version = "HTTP/1.1"
            # Else the body of an answer waits for the caller to acknowledge the head.
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.body()
                if self.connection not in service._open:
                    service.connections += 1
                    service._open.append(self.connection)
                service.calls.append((self.path, dict(self.headers), body))
                try:
                    service.behaviour(self, body)
                except OSError:
                    # The caller has had enough, which is what most of these tests are about.
                    self.close_connection = True

            do_GET = do_POST

        class Server(loopback.Server):
            def handle_error(self, *_):
                # A refused TLS handshake is no news here.
                pass

        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
        self.scheme = "http" if context is None else "https"
        self._server = Server(Handler, port, context)
        self.port = self._server.port

    def url(self, host="127.0.0.1"):
        return f"{self.scheme}://{host}:{self.port}"

    def hang_up(self):
        """Ends every connection, as servers do with those that nobody has used for a while."""
        while self._open:
            try:
                self._open.pop().shutdown(socket.SHUT_RDWR)
            except OSError:
                # The caller was first.
                pass

    def stop(self):
        self._server.stop()


def answer(handler, status, body, headers=()):
    handler.send_response(status)
    for name, value in headers:
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def permit(handler, request):
    """What an honest service says when a request may pass: the request, whole."""
    answer(handler, 200, request, [("Content-Type", "application/json")])


def body(text, status=200, content_type="application/json"):
    """The same bytes for everyone."""

    def behave(handler, _request):
        answer(handler, status, text.encode(), [("Content-Type", content_type)])

    return behave


def permit_without(*members):
    """A permit whose echo lacks something."""

    def behave(handler, request):
        echo = {name: value for name, value in json.loads(request).items() if name not in members}
        answer(handler, 200, json.dumps(echo).encode())

    return behave


def permit_with(**members):
    """A permit whose echo has something that makes it less than one."""

    def behave(handler, request):
        answer(handler, 200, json.dumps(json.loads(request) | members).encode())

    return behave


def permit_with_status(status):
    """The body of a permit under another status."""

    def behave(handler, request):
        answer(handler, status, request)

    return behave


def cut_short(handler, request):
    """A permit of which the last byte never comes."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(request)))
    handler.end_headers()
    handler.wfile.write(request[:-1])
    handler.close_connection = True


def cut_short_chunked(handler, request):
    """A permit in chunks, without the chunk that ends it."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"%x\r\n%b\r\n" % (len(request), request))
    handler.close_connection = True


def no_answer(handler, _request):
    handler.close_connection = True


def hang(handler, _request):
    time.sleep(8)
    handler.close_connection = True


def drip(handler, request):
    """A permit that comes too slowly to be whole in time, yet never stops coming."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(request)))
    handler.end_headers()
    for byte in request:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.1)


def redirect(status):
    """Sends the caller to where it would be permitted."""

    def behave(handler, request):
        if handler.path.startswith("/elsewhere"):
            permit(handler, request or b"{}")
        else:
            answer(handler, status, b"", [("Location", "/elsewhere/sideband/request")])

    return behave


def flood(handler, request):
    """A permit of 64 MB."""
    padding = b" " * (1 << 20)
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(request) + 64 * len(padding)))
    handler.end_headers()
    for _ in range(64):
        handler.wfile.write(padding)
    handler.wfile.write(request)


def deep(handler, _request):
    answer(handler, 200, b'{"headers":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
