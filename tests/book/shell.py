"""A bash in which the commands of one page run, one block after the other, as a reader would type them."""

import os
import select
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

# Far beyond what anything takes.
SECONDS = 120

# Where pages start a service, a reader has another terminal. Here it goes on beside the next commands: on the port that
# stands for 8080, once it is ready, in the place of one that was started before. So does the runner of the edge, once it answers.
# `make` is a dry run, which says whether it knows the target; pages.py has where the target is run.
PRELUDE = r"""
portcullis() {
    if [ "${1:-}" = serve ] && [ "${2:-}" != --help ]; then book_serve "$@"; else command portcullis "$@"; fi
}
book_serve() {
    if [ -n "${BOOK_SERVICE:-}" ]; then kill "$BOOK_SERVICE"; wait "$BOOK_SERVICE" || true; fi
    local listen=(--listen "127.0.0.1:$BOOK_PORT") url="http://127.0.0.1:$BOOK_PORT" ready=live
    case " $* " in *" --listen "*) listen=() ;; esac
    case " $* " in *" --tls-key "*) url="https://127.0.0.1:$BOOK_TLS_PORT" ;; esac
    case " $* " in *" --policy "*) ready=ready ;; esac
    command portcullis "$@" "${listen[@]}" >> "$BOOK_LOGS/serve.log" 2>&1 &
    BOOK_SERVICE=$!
    for _ in $(seq 100); do
        if curl -ksf -o /dev/null "$url/health/$ready"; then return 0; fi
        if ! kill -0 "$BOOK_SERVICE" 2>/dev/null; then break; fi
        sleep 0.1
    done
    cat "$BOOK_LOGS/serve.log"
    return 1
}
node() {
    case " $* " in *" --origin "*) book_runner "$@" ;; *) command node "$@" ;; esac
}
book_runner() {
    local said="$BOOK_LOGS/runner.log" url
    command node "$@" > "$said" 2>&1 &
    for _ in $(seq 100); do
        url=$(sed -n 's/^listening on //p' "$said")
        if [ -n "$url" ] && curl -s -o /dev/null "$url"; then return 0; fi
        if ! kill -0 $! 2>/dev/null; then break; fi
        sleep 0.1
    done
    cat "$said"
    return 1
}
make() {
    echo "$*" >> "$BOOK_LOGS/dry"
    command make --no-print-directory -n -C "$BOOK_REPOSITORY" "$@" > /dev/null
}
"""


@contextmanager
def shell_in(world):
    """A shell in a world that was prepared, after what the world has done before; both end with it."""
    shell = Shell(world.directory, world.logs, world.environment)
    try:
        if world.before:
            status, output = shell.run(world.here(world.before), stop_at_failure=True)
            assert status == 0, output
        yield shell
    finally:
        shell.stop()
        world.stop()


class Shell:
    """Keeps directory, variables and background jobs from one script to the next."""

    def __init__(self, directory, logs, environment):
        self._logs = Path(logs)
        self._number = 0
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=directory,
            env=environment,
            start_new_session=True,
        )
        status, output = self.run(PRELUDE)
        assert status == 0, output

    def run(self, script, stop_at_failure=False):
        """Runs a script, and answers with its status and with what it printed."""
        self._number += 1
        file = self._logs / f"{self._number}.sh"
        printed = self._logs / f"{self._number}.out"
        file.write_text(f"set -eo pipefail\n{script}set +eo pipefail\n" if stop_at_failure else script)
        self._bash.stdin.write(f"source '{file}' > '{printed}' 2>&1 < /dev/null; echo $?\n".encode())
        self._bash.stdin.flush()
        readable, _, _ = select.select([self._bash.stdout], [], [], SECONDS)
        line = self._bash.stdout.readline().strip() if readable else b""
        output = printed.read_text(errors="replace") if printed.exists() else ""
        if not readable:
            return None, f"{output}\nno end after {SECONDS} s"
        # Nothing was read: the shell itself ended, as `set -e` has it.
        return (int(line) if line else 1), output

    def stop(self):
        """Ends the shell and all that was started in it."""
        try:
            os.killpg(self._bash.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._bash.wait()
        self._bash.stdin.close()
        self._bash.stdout.close()
