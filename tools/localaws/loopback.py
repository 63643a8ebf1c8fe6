"""An HTTP server on this machine, in the background: what all stand-ins for servers in demo and tests have in common."""

import http.server
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection. Says nothing on standard error, where the tests are reported."""

    def body(self):
        """The body of the request, whole."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, headers, content):
        """Answers with those header fields, as pairs, and the length of the content."""
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Serves on the loopback address from the moment it is made, a thread for each connection, until it is stopped.

    `port` 0 takes a free one. `context`, an `ssl.SSLContext`, makes it speak TLS; the handshake is left to the thread of
    the connection.
    """

    daemon_threads = True

    def __init__(self, handler, port=0, context=None):
        super().__init__(("127.0.0.1", port), handler)
        self.port = self.server_address[1]
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{self.port}"
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        # How soon it stops: hundreds of tests have one of their own.
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()
