"""The disk of the database and of the log is full, and free again.

docs/decisions.md: "No decision waits for any of this, or fails by it": nobody may notice, and what could not be written
meanwhile is written then. Lines of the log that found no room are lost; the decisions are not.
"""

import shlex
from pathlib import Path

from namespaces import needs_mounts, with_mounts
from service import push_command

SIZE_MIB = 24
# What waits to be written, as while any database is away.
GROWTH_MIB = 32
# As with any database that is away: no more may wait than has room.
PAUSE_SECONDS = 0.005


class Disk:
    """A small file system that only the service sees."""

    def __init__(self, directory):
        self.directory = directory / "disk"
        self.directory.mkdir()
        self.pid = None

    def wrapper(self, push):
        """What runs the service: the disk is mounted, the policy pushed, and the log goes to the disk, too."""
        where = shlex.quote(str(self.directory))

        def wrap(command):
            return with_mounts(
                f"mount -t tmpfs -o size={SIZE_MIB}m tmpfs {where}; {push} >/dev/null; exec {command} 2>{where}/log"
            )

        return wrap

    def file(self, name):
        """As the service sees it."""
        return Path(f"/proc/{self.pid}/root{self.directory}") / name

    def fill(self):
        with open(self.file("ballast"), "wb", buffering=0) as ballast:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        ballast.write(b"x" * size)
                except OSError:
                    continue

    def free(self):
        self.file("ballast").unlink()

    def log(self):
        return self.file("log").read_text(errors="replace")


def test_disk_of_database_and_log_full_and_freed(stage, seconds, tmp_path, policy):
    needs_mounts()
    disk = Disk(tmp_path)
    database = f"sqlite:{disk.directory}/portcullis.db"
    service = stage.serve(database, wrapper=disk.wrapper(shlex.join(push_command(policy, database))), push_first=False)
    disk.pid = service.pid
    scene = stage.scene(service, pause=PAUSE_SECONDS)
    with scene.running() as load:
        load.before(seconds.before)
        disk.fill()
        load.go_on(seconds.fault)
        waiting = service.metric("portcullis_decision_records_waiting")
        disk.free()
        load.recovered()
        load.after()
    assert waiting > 0, "the disk was not full: everything could be written"
    scene.check(felt=False, unhurt=["gateway", "authorizer"], service_growth_mib=GROWTH_MIB)
    assert service.metric('portcullis_decision_records_total{result="dropped"}') == 0
    assert "decisions are written to the database again" in disk.log()


def test_no_line_of_the_log_can_be_written(stage, seconds):
    """/dev/full refuses every write for lack of room: decisions go on, at the service and at the authorizers."""
    service = stage.serve(wrapper=lambda command: ["sh", "-c", f"exec {command} >/dev/full 2>&1"])
    scene = stage.scene(service, run_by=["sh", "-c", 'exec "$0" >/dev/full 2>&1'])
    with scene.running() as load:
        load.before(seconds.before)
        load.go_on(seconds.fault)
        load.recovered()
        load.after()
    scene.check(felt=False, unhurt=["gateway", "authorizer"])
