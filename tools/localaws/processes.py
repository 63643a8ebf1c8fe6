"""Child processes: started with a log file, waited for until ready, stopped by process id."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path


class ComponentFailure(Exception):
    """A component did not do its part. The message ends with the tail of its log."""

    def __init__(self, component, problem, log_tail=""):
        tail = f"\n--- end of the log of {component} ---\n{log_tail}" if log_tail else ""
        super().__init__(f"{component}: {problem}{tail}")


class Process:
    """One running program and its log."""

    def __init__(self, name, command, directory, environment=None, working_directory=None):
        self.name = name
        self.log_path = Path(directory) / f"{name.replace(' ', '-')}.log"
        try:
            with open(self.log_path, "ab") as log:
                # A session of its own: Ctrl-C reaches the parent alone, which then stops its
                # children in order, and a child's own children can be stopped with it.
                self._child = subprocess.Popen(
                    [str(part) for part in command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    cwd=working_directory,
                    start_new_session=True,
                )
        except OSError as error:
            raise ComponentFailure(name, f"could not be started: {error}") from error

    @property
    def pid(self):
        return self._child.pid

    def wait_until(self, ready, seconds):
        """Polls `ready` until it answers something true, which is returned. Else the process ends here."""
        try:
            return self._poll(ready, seconds)
        except BaseException:
            self.kill()
            raise

    def _poll(self, ready, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._child.poll() is not None:
                raise self.failure(f"ended with status {self._child.returncode} before it was ready")
            answer = ready()
            if answer:
                return answer
            time.sleep(0.05)
        raise self.failure(f"was not ready after {seconds} s")

    def stop(self):
        """Asks the process to end, waits, and then ends whatever is left of its session."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def kill(self):
        """Ends the process and all that it started, at once."""
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._child.wait()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def log_tail(self):
        return "\n".join(self.log().splitlines()[-30:])

    def failure(self, problem):
        return ComponentFailure(self.name, problem, self.log_tail())


def free_port():
    """A TCP port that was free on 127.0.0.1 a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def plain_environment(**settings):
    """An environment without the caller's AWS and Portcullis settings, which children would inherit."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | settings
