"""The database is killed and restored, or hangs, while the service decides with what it has read from it.

docs/deployments.md: "When the database goes away, the last deployment keeps deciding." docs/decisions.md: "No decision waits
for any of this, or fails by it", and what was decided meanwhile waits in memory, up to 20,000 of it, and is written then. So
nobody may notice, and no record may be missing.
"""

import pytest

from checker import BEFORE_A_KILL_SECONDS, STARTING
from postgres import Postgres

# Up to 64 MiB of records wait (docs/decisions.md); these tests leave some thousand waiting, of about 1 KB each.
GROWTH_MIB = 32
# Five clients make at most 1,000 decisions a second so, fewer than wait in the longest of these tests, on any machine.
PAUSE_SECONDS = 0.005


@pytest.fixture(scope="module")
def database():
    database = Postgres()
    yield database
    database.stop()


def run(stage, seconds, database, break_it, mend):
    service = stage.serve(database.url)
    scene = stage.scene(service, pause=PAUSE_SECONDS)
    with scene.running() as load:
        load.before(seconds.before)
        break_it()
        try:
            load.go_on(seconds.fault)
            waiting = service.metric("portcullis_decision_records_waiting")
        finally:
            mend()
        load.recovered()
        load.after()
    scene.check(felt=False, unhurt=["gateway", "authorizer"], service_growth_mib=GROWTH_MIB)
    assert waiting > 0, "the database was not away: everything could be written"
    assert service.metric('portcullis_decision_records_total{result="dropped"}') == 0


def test_postgresql_killed_and_restored(stage, seconds, database):
    run(stage, seconds, database, database.kill, database.start)


def test_postgresql_hung_and_going_on(stage, seconds, database):
    """SIGSTOP of every process of it: connections stay open and nothing comes."""
    run(stage, seconds, database, database.hang, database.go_on)


def test_the_service_starts_anew_once_the_database_is_back(stage, seconds, database):
    """Service and database killed together: what was written is there, what was not is lost, nothing is there twice."""
    service = stage.serve(database.url)
    scene = stage.scene(service, pause=PAUSE_SECONDS)
    with scene.running() as load:
        load.before(BEFORE_A_KILL_SECONDS)
        database.kill()
        load.go_on(seconds.fault / 4)
        # What waited since the database was killed is lost with the process.
        first_lost = min(line.sent for line in scene.ledger.of("during"))
        _, killed = service.kill()
        load.go_on(seconds.fault / 4)
        database.start()
        service.start()
        load.recovered()
        load.after()
    scene.check(killed=[(first_lost, killed)], also=STARTING)
