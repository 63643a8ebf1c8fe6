"""A small DNS server (RFC 1035) that knows one name, and can be told to fail."""

import random
import socket
import struct
import threading

PORT = 53
HEADER_OCTETS = 12
A, INTERNET = 1, 1
NO_ERROR, SERVER_FAILURE, NAME_ERROR, REFUSED = 0, 2, 3, 5
SILENT = None
# QR, RD and RA; a pointer to the name of the question; a TTL of nought, so that nobody keeps the answer.
ANSWER_FLAGS, POINTER, TTL = 0x8180, 0xC00C, 0


class DnsServer:
    """Says that every name is at 127.0.0.1, on a loopback address of its own. `code` is what it answers instead, or SILENT."""

    def __init__(self):
        self.code = NO_ERROR
        self.asked = 0
        self.address = f"127.83.{random.randrange(256)}.{random.randrange(1, 255)}"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Resolvers ask port 53 only.
        self._socket.bind((self.address, PORT))
        self._over = False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            question, sender = self._socket.recvfrom(512)
            if self._over:
                return
            self.asked += 1
            if self.code is not SILENT:
                self._socket.sendto(self._answer(question), sender)

    def _answer(self, question):
        end = question.index(0, HEADER_OCTETS) + 5
        kind, _ = struct.unpack("!HH", question[end - 4 : end])
        known = self.code == NO_ERROR and kind == A
        header = question[:2] + struct.pack("!HHHHH", ANSWER_FLAGS | self.code, 1, int(known), 0, 0)
        record = struct.pack("!HHHIH4s", POINTER, A, INTERNET, TTL, 4, socket.inet_aton("127.0.0.1")) if known else b""
        return header + question[HEADER_OCTETS:end] + record

    def stop(self):
        self._over = True
        # Wakes up whoever waits.
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", (self.address, PORT))
        self._socket.close()
