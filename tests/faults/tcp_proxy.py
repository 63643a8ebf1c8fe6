"""Stands between a client and a server on the level of TCP, and breaks connections as networks do."""

import contextlib
import random
import socket
import ssl
import struct
import threading
import time

CHUNK = 65536
# SO_LINGER with a time of nought: closing sends RST in the place of FIN.
ABORT = struct.pack("ii", 1, 0)


class TcpProxy:
    """Hands everything on to `port` of this machine. `fault` is None or one of the functions below, called with the
    connection and a part of an answer. With `certificate` (trustme) it speaks TLS to its clients."""

    def __init__(self, port, certificate=None):
        self.fault = None
        self.accepted = 0
        self._port, self._context = port, None
        self._connections = []
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            if self._context:
                client = self._context.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", self._port), timeout=5)
            server.settimeout(None)
        except OSError:
            client.close()
            return
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, client, server)
        self._connections.append(connection)
        connection.run()

    def drop_connections(self):
        """Aborts those that are open."""
        while self._connections:
            self._connections.pop().abort()

    def stop(self):
        self.fault = None
        # Wakes up whoever waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()


class Connection:
    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.dead = False

    def run(self):
        threading.Thread(target=self._requests, daemon=True).start()
        with contextlib.suppress(OSError, ValueError):
            while part := self.server.recv(CHUNK):
                if self.dead:
                    # As behind a gateway that has forgotten the connection: nothing comes through any more.
                    continue
                fault = self.proxy.fault
                (fault or forward)(self, part)
        if not self.dead:
            self.close()

    def _requests(self):
        with contextlib.suppress(OSError, ValueError):
            while part := self.client.recv(CHUNK):
                if self.proxy.fault is swallow_requests:
                    self.dead = True
                if not self.dead:
                    self.server.sendall(part)
        self.close()

    def abort(self):
        """Ends it with RST. Whoever reads has to be woken up first, or the system keeps the connection for it."""
        with contextlib.suppress(OSError, ValueError):
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            self.client.shutdown(socket.SHUT_RD)
            self.client.close()
        self.close()

    def close(self):
        for one in (self.client, self.server):
            with contextlib.suppress(OSError, ValueError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def forward(connection, part):
    connection.client.sendall(part)


def swallow_answers(connection, _part):
    """The server decides, and its answer never comes; nor does anything else on this connection."""
    connection.dead = True


def swallow_requests(connection, part):
    """What a client sends from now on is acknowledged and never arrives. The connection stays open, dead for good."""
    forward(connection, part)


def reset_mid_answer(connection, part):
    """Half of the answer, and then RST."""
    connection.client.sendall(part[: len(part) // 2])
    connection.abort()


def slow(shortest, longest):
    """Answers take between so many seconds."""

    def fault(connection, part):
        time.sleep(random.uniform(shortest, longest))
        forward(connection, part)

    return fault
