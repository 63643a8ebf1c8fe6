"""A thousand clients at once, in one thread: each opens a connection, asks a few times, closes it, and comes again."""

import asyncio
import contextlib
import itertools
import json
import resource
import threading
import time

from clients import sideband_reply, sideband_request
from ledger import NONE, Reply

ASKS_PER_CONNECTION = 20
PATIENCE_SECONDS = 15
# Between two connections of a client.
PAUSE_SECONDS = 0.2
# Some take their time over the body, and hold a place while they do.
DAWDLING_ONE_IN, DAWDLE_SECONDS = 4, 0.4


class Crowd:
    """`size` clients of the service, until `with` ends. `open` is how many connections are open, `most` how many were."""

    attempts = 1
    name = "crowd"

    def __init__(self, service, ledger, cases, size):
        self._port, self._credential = service.endpoint.port, service.credential
        self._ledger, self._cases, self._size = ledger, itertools.cycle(cases), size
        self._dawdling = itertools.cycle([True] + [False] * (DAWDLING_ONE_IN - 1))
        self.open = self.most = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._over.set()
        self._thread.join(2 * PATIENCE_SECONDS)
        assert kind or not self._thread.is_alive(), "the crowd does not go home"

    async def _run(self):
        # All connections are open before anyone asks.
        self._everyone = asyncio.Barrier(self._size)
        await asyncio.gather(*(self._client() for _ in range(self._size)))

    async def _client(self):
        await self._connection(self._everyone.wait)
        while not self._over.is_set():
            await asyncio.sleep(PAUSE_SECONDS)
            with contextlib.suppress(OSError):
                await self._connection()

    async def _connection(self, ready=None):
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            if ready:
                await ready()
            for _ in range(ASKS_PER_CONNECTION):
                if self._over.is_set() or not await self._ask(reader, writer):
                    return
        finally:
            self.open -= 1
            writer.close()

    async def _ask(self, reader, writer):
        """Whether the connection can be used again."""
        line = self._ledger.send(self, next(self._cases), "during")
        body = json.dumps(sideband_request(line)).encode()
        head = (
            "POST /sideband/request HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
            f"Client-Token: {self._credential}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + body[:-1])
            if next(self._dawdling):
                await asyncio.sleep(DAWDLE_SECONDS)
            writer.write(body[-1:])
            async with asyncio.timeout(PATIENCE_SECONDS):
                status, headers, content = await read_answer(reader)
            reply = sideband_reply(line, status, headers.get("correlation-id"), content)
        except (OSError, EOFError, TimeoutError) as error:
            reply = Reply(NONE, note=repr(error))
        self._ledger.answer(line, reply, "during")
        return reply.outcome != NONE


async def read_answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in head[1:] if text)}
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers.get("content-length", 0)))


def allow_open_files(number):
    """The limit of this process, and of those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))


def wait_until(condition, what, seconds=PATIENCE_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)
