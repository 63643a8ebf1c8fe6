"""A service under load, with everything that is looked at: the ledger, the records and the memory."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import checker
from cases import oauth_mode
from clients import Authorizer, Gateway
from ledger import Ledger
from load import Load
from memory import Memory

# Of 36 and 7 MiB at most that `make faults` prints on x86-64, with room for a machine that decides more in the time.
SERVICE_MIB = 64
AUTHORIZER_MIB = 24
SERVICE_GROWTH_MIB = 8
AUTHORIZER_GROWTH_MIB = 2
# From before the fault to the end: 12 and 0.1 MiB at most. A service goes on to fill its buffers and the caches of SQLite.
SERVICE_WHOLE_MIB = 20
AUTHORIZER_WHOLE_MIB = 1
# Of an authorizer, for one decision with all retries: the default.
BUDGET = "2s"


class Scene:
    """`gateways` ask the service itself, and `authorizers` ask what is at `url`, which is the service unless said;
    `oauth` authorizers decide themselves. `run_by` is a command that runs `bootstrap`. `pause` is that of `Load`."""

    def __init__(self, service, directory, cases, gateways=3, authorizers=2, oauth=0, url=None, run_by=(), pause=0, **settings):
        self.service, self.directory = service, directory
        self.ledger = Ledger()
        self.clients = [Gateway(number, service.endpoint.port, service.credential) for number in range(gateways)]
        settings = {"PORTCULLIS_TIMEOUT": BUDGET} | settings
        asking = {"SERVICE_URL": url or service.url, "SECRET_HEADER_VALUE": service.credential}
        for number in range(authorizers):
            self.clients.append(Authorizer(number, directory, run_by=run_by, **asking, **settings))
        for number in range(authorizers, authorizers + oauth):
            own = oauth_mode(service.issuer_url) | settings
            self.clients.append(Authorizer(number, directory, run_by=run_by, decides_itself=True, **own))
        self.load = Load(self.ledger, self.clients, cases, pause)
        self.memory = Memory(self._pids, lambda: self.load.phase)
        self._records = None

    def _pids(self):
        pids = {client.name: client.pid for client in self.clients if hasattr(client, "pid")}
        return pids | {"service": self.service.pid}

    @contextlib.contextmanager
    def running(self):
        with self.memory, self.load as load:
            yield load

    def lines_of(self, phase, kind=""):
        """Of the clients whose name begins so."""
        return [line for line in self.ledger.of(phase) if line.client.startswith(kind)]

    def check(
        self, killed=(), also=(), felt=True, unhurt=(),
        service_mib=SERVICE_MIB, service_growth_mib=SERVICE_GROWTH_MIB, service_whole_mib=SERVICE_WHOLE_MIB,
    ):
        """Everything that must hold, in one place.

        `killed` and `also`: as `checker.check_records` has them. `felt`: whether some request went without a decision.
        `unhurt`: clients that were answered as the policy says all the time, by the beginning of their name. Bounds of the
        service's memory: as `Memory.check` has them.
        """
        checker.check_nothing_was_allowed_that_policy_denies(self.ledger)
        for phase in ("before", "after"):
            checker.check_everyone_is_answered_as_the_policy_says(self.ledger.of(phase))
        for kind in unhurt:
            for phase in ("during", "recovering"):
                checker.check_everyone_is_answered_as_the_policy_says(self.lines_of(phase, kind))
        checker.check_recoveries(self.ledger, self.load.recoveries, [client.name for client in self.clients])
        if felt:
            checker.check_the_fault_was_felt(self.ledger)
        self._records = self.service.records()
        checker.check_records(self.ledger, self._records, killed, also)
        self.memory.check(
            {"service": service_mib, "authorizer": AUTHORIZER_MIB},
            {"service": service_growth_mib, "authorizer": AUTHORIZER_GROWTH_MIB},
            {"service": service_whole_mib, "authorizer": AUTHORIZER_WHOLE_MIB},
        )

    def summary(self):
        peaks = self.memory.peaks()
        authorizers = max((mib for name, mib in peaks.items() if name != "service"), default=0)
        records = "" if self._records is None else f"; {len(self._records)} records"
        return f"{self.ledger}{records}; service {peaks.get('service', 0):.0f} MiB, authorizer {authorizers:.0f} MiB"

    def stop(self):
        # At once, because each takes half a second.
        with ThreadPoolExecutor(len(self.clients)) as pool:
            list(pool.map(lambda client: client.stop(), self.clients))
