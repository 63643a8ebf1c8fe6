"""Clients that ask all the time, while things break and are mended."""

import itertools
import threading
import time

from ledger import PERMIT, Recovery

PATIENCE_SECONDS = 20


class Load:
    """A thread for each client, from `with` to its end; every client goes through all cases again and again.

    The phases are `before`, `during`, `recovering` and `after`. A test may say with `expect` what the
    policy says to a case while it is another than usual. `pause` is how many seconds a client waits after each answer.
    """

    def __init__(self, ledger, clients, cases, pause):
        self.ledger = ledger
        self.clients = clients
        self.cases = list(cases)
        self.pause = pause
        self.phase = "before"
        self.expect = None
        self.recoveries = []
        self._over = threading.Event()
        self._threads = []
        self._errors = []

    def __enter__(self):
        for number, client in enumerate(self.clients):
            thread = threading.Thread(target=self._run, args=(client, number), daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def _run(self, client, number):
        try:
            for count in itertools.count(3 * number):
                if self._over.is_set():
                    return
                cases = self.cases
                line = self.ledger.send(client, cases[count % len(cases)], self.phase, self.expect)
                reply = client.ask(line)
                self.ledger.answer(line, reply, self.phase)
                time.sleep(self.pause)
        except Exception as error:
            self._errors.append(f"{client.name}: {error!r}")

    def before(self, seconds):
        """Goes on for so long while all is well, or well again. What is asked after this is in the phase `during`."""
        self.go_on(seconds)
        for recovery in self.recoveries[-1:]:
            recovery.ended = time.monotonic()
        self.phase = "during"

    def go_on(self, seconds):
        """Goes on for so long."""
        time.sleep(seconds)
        self._still_runs()

    def turn(self, mark=None):
        """Waits until every client has sent something from now on, or after so many lines, and had its answer: nothing older
        is on its way."""
        mark = len(self.ledger.lines) if mark is None else mark
        self._wait(lambda: {line.client for line in self.ledger.lines[mark:] if line.reply}, "an answer")

    def _wait(self, heard, what, seconds=PATIENCE_SECONDS):
        """Waits until `heard` names every client."""
        deadline = time.monotonic() + seconds
        while waiting := {client.name for client in self.clients} - heard():
            self._still_runs()
            if time.monotonic() > deadline:
                tail = "\n".join(f"  {line}" for line in self.ledger.lines[-8:])
                raise AssertionError(f"within {seconds} s, no {what} for {', '.join(sorted(waiting))}\n{tail}")
            time.sleep(0.02)

    def recovered(self, seconds=PATIENCE_SECONDS):
        """All is mended: waits until every client has been permitted something that it asked for from now on."""
        self.phase = "recovering"
        mark = len(self.ledger.lines)
        self.recoveries.append(Recovery(time.monotonic()))
        self.permitted(lambda line: True, seconds, mark)

    def permitted(self, wanted, seconds=PATIENCE_SECONDS, mark=None):
        """Waits until every client has been permitted a request that is `wanted`, of those sent from now on."""
        mark = len(self.ledger.lines) if mark is None else mark
        self._wait(lambda: {
            line.client for line in self.ledger.lines[mark:]
            if line.reply and line.reply.outcome == PERMIT and wanted(line)
        }, "permit", seconds)

    def after(self, each=39):
        """Goes on until every client has had `each` further answers, in the phase `after`."""
        self.phase = "after"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._still_runs()
            counts = {client.name: 0 for client in self.clients}
            for line in self.ledger.of("after"):
                counts[line.client] += line.reply is not None
            if min(counts.values()) >= each:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"expected {each} answers each within {PATIENCE_SECONDS} s, got {counts}")
            time.sleep(0.05)

    def _still_runs(self):
        assert not self._errors, "\n".join(self._errors)

    def __exit__(self, kind, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        for client in self.clients:
            client.finish(self.ledger.lines)
        if kind is None:
            assert not any(thread.is_alive() for thread in self._threads), "a client is stuck"
            self._still_runs()
