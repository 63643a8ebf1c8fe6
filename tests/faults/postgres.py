"""A private PostgreSQL server that can be killed like a machine that loses its power, and started again."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from localaws.processes import ComponentFailure, Process, free_port

START_SECONDS = 30
SETTINGS = ("listen_addresses=127.0.0.1", "fsync=off", "max_connections=60")


class Postgres:
    """Listens on 127.0.0.1, lets everyone in, and is gone with its directory when it is stopped."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="portcullis-faults-pg-"))
        self.port = free_port()
        if os.getuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
        self._data = self.directory / "data"
        made = as_postgres("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-D", self._data)
        subprocess.run(made, cwd="/", check=True, capture_output=True)
        self.start()

    @property
    def url(self):
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self):
        self._server = Process("PostgreSQL", as_postgres("postgres", "-D", self._data, "-p", self.port, *self._settings), self.directory)
        self._server.wait_until(self._is_ready, START_SECONDS)

    @property
    def _settings(self):
        return [word for setting in [*SETTINGS, f"unix_socket_directories={self.directory}"] for word in ("-c", setting)]

    def _is_ready(self):
        asked = [find("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def kill(self):
        """SIGKILL to the server and to every process of it, at once."""
        self._signal(signal.SIGKILL)
        self._server.kill()

    def hang(self):
        self._signal(signal.SIGSTOP)

    def go_on(self):
        self._signal(signal.SIGCONT)

    def stop(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _signal(self, number):
        """The server first, so that it starts nothing in the place of what has ended."""
        server = self._server.pid
        try:
            children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        except OSError:
            children = []
        for pid in [server, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def as_postgres(name, *arguments):
    """A command for a program of PostgreSQL, which refuses to run as root: then it is run by the user that the package makes."""
    command = [find(name), *map(str, arguments)]
    if os.getuid() == 0:
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", *command]
    return command


def find(name):
    """A program of PostgreSQL: from the PATH, or from where Debian puts it, the newest version first."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for directory in [*map(Path, os.environ.get("PATH", "").split(":")), *versions]:
        if (directory / name).is_file():
            return str(directory / name)
    raise ComponentFailure("PostgreSQL", f"{name} is neither on the PATH nor in /usr/lib/postgresql/*/bin: run `make postgresql`")
