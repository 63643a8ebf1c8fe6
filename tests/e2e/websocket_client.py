"""The opening handshake of a WebSocket, which is all that an authorizer sees of one."""

import base64
import http.client
import os


def connect(api, headers=()):
    """The status of the handshake: 101 when the connection was accepted."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    try:
        connection.putrequest("GET", api.prefix, skip_host=True, skip_accept_encoding=True)
        for name, value in [
            ("Host", f"{api.host}:{api.port}"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", base64.b64encode(os.urandom(16)).decode()),
            *headers,
        ]:
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()
