"""The memory of processes, sampled while a test runs (Linux, /proc)."""

import statistics
import threading
import time
from pathlib import Path

INTERVAL_SECONDS = 0.1
KIB_PER_MIB = 1024
FEWEST_SAMPLES = 6


class Memory:
    """Samples of VmRSS by the name of the process, with the phase that is on. `pids` gives a pid for each name."""

    def __init__(self, pids, phase):
        self._pids = pids
        self._phase = phase
        self._samples = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _run(self):
        while not self._over.wait(INTERVAL_SECONDS):
            for name, pid in self._pids().items():
                mib = resident_mib(pid)
                if mib is not None:
                    self._samples.append((name, self._phase(), time.monotonic(), mib))

    def peaks(self):
        """The largest sample of each process."""
        found = {}
        for name, _, _, mib in self._samples:
            found[name] = max(mib, found.get(name, 0))
        return found

    def growth(self, name, phase):
        """How much more it had in the last third of a phase than in the middle one, by their medians; None if it was short."""
        sizes = [mib for sampled, on, _, mib in self._samples if (sampled, on) == (name, phase)]
        if len(sizes) < FEWEST_SAMPLES:
            return None
        third = len(sizes) // 3
        return statistics.median(sizes[-third:]) - statistics.median(sizes[third : 2 * third])

    def check(self, bounds, growth_mib, phase="during"):
        """`bounds` in MiB by the beginning of a name; `growth_mib` likewise."""
        for name, peak in self.peaks().items():
            bound = next(mib for start, mib in bounds.items() if name.startswith(start))
            assert peak <= bound, f"{name} took {peak:.1f} MiB, expected at most {bound}"
            most = next(mib for start, mib in growth_mib.items() if name.startswith(start))
            grown = self.growth(name, phase)
            assert grown is None or grown <= most, (
                f"{name} grew by {grown:.1f} MiB while the fault went on, expected at most {most}"
            )


def resident_mib(pid):
    """VmRSS, or None where the process has gone."""
    try:
        for text in Path(f"/proc/{pid}/status").read_text().splitlines():
            if text.startswith("VmRSS:"):
                return int(text.split()[1]) / KIB_PER_MIB
    except OSError:
        pass
    return None
