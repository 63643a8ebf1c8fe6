"""A private PostgreSQL server that can be killed like a machine that loses its power, and started again."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from localaws.processes import ComponentFailure, free_port

START_SECONDS = 30
SETTINGS = "listen_addresses=127.0.0.1 fsync=off max_connections=60"


class Postgres:
    """Listens on 127.0.0.1, lets everyone in, and is gone with its directory when it is stopped."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="portcullis-faults-pg-"))
        self.port = free_port()
        if os.getuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
        self._data = self.directory / "data"
        self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-D", self._data)
        self.start()

    @property
    def url(self):
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self):
        settings = " ".join(f"-c {setting}" for setting in [*SETTINGS.split(), f"unix_socket_directories={self.directory}"])
        self._run(
            "pg_ctl", "-w", "-t", str(START_SECONDS), "-D", self._data, "-l", self.directory / "log",
            "-o", f"-p {self.port} {settings}", "start",
        )

    def kill(self):
        """SIGKILL to the server and to every process of it, at once."""
        for pid in self._processes():
            os.kill(pid, signal.SIGKILL)
        self._wait_until_gone()

    def hang(self):
        for pid in self._processes():
            os.kill(pid, signal.SIGSTOP)

    def go_on(self):
        for pid in self._processes():
            os.kill(pid, signal.SIGCONT)

    def stop(self):
        self.go_on()
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _processes(self):
        """The server first, so that it starts nothing in the place of what was killed."""
        try:
            server = int((self._data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return []
        if not Path(f"/proc/{server}").exists():
            return []
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        return [server, *map(int, children)]

    def _wait_until_gone(self):
        deadline = time.monotonic() + START_SECONDS
        while any(Path(f"/proc/{pid}").exists() for pid in self._processes()):
            if time.monotonic() > deadline:
                raise ComponentFailure("PostgreSQL", "is still there after SIGKILL")
            time.sleep(0.02)

    def _run(self, name, *arguments):
        command = [find(name), *map(str, arguments)]
        if os.getuid() == 0:
            # It refuses to run as root; the package makes this user.
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", *command]
        done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise ComponentFailure("PostgreSQL", f"{name} failed with status {done.returncode}", done.stdout[-2000:])


def find(name):
    """A program of PostgreSQL: from the PATH, or from where Debian puts it, the newest version first."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for directory in [*map(Path, os.environ.get("PATH", "").split(":")), *versions]:
        if (directory / name).is_file():
            return str(directory / name)
    raise ComponentFailure("PostgreSQL", f"{name} is neither on the PATH nor in /usr/lib/postgresql/*/bin: run `make postgresql`")
