"""A clock that steps: libfaketime (Debian package libfaketime) between a process and its system's clock.

Only the time of day steps. The monotonic clock, by which programs wait and count ages, goes on, as it does when the time
of day of a real machine is set.
"""

from pathlib import Path

from localaws.processes import ComponentFailure

LIBRARY = "libfaketimeMT.so.1"


class Clock:
    """`environment` is what a process needs to see it; `step` changes what all of them see, at once."""

    def __init__(self, directory):
        self._file = directory / "clock"
        self.step(0)
        self.environment = {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds):
        """From now on it is so much later than it is, or earlier."""
        new = self._file.with_name("clock.new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self._file)


def library():
    found = sorted(Path("/usr/lib").glob(f"*/faketime/{LIBRARY}"))
    if not found:
        raise ComponentFailure("clock", f"/usr/lib/*/faketime/{LIBRARY} is missing: run `make faketime`")
    return found[0]
