"""The memory of processes, sampled while a test runs (Linux, /proc)."""

import statistics
import threading
from pathlib import Path

INTERVAL_SECONDS = 0.05
KIB_PER_MIB = 1024
FEWEST_SAMPLES = 6
# Of so many samples the median, for what a process has at some time.
AT_ONE_TIME = 3


class Memory:
    """Samples of VmRSS by the name of the process, with the phase that is on. `pids` gives a pid for each name."""

    def __init__(self, pids, phase):
        self._pids = pids
        self._phase = phase
        # (name, phase, MiB or None where the process had gone)
        self._samples = []
        self._error = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._over.set()
        self._thread.join()
        if kind is None:
            if self._error is not None:
                raise AssertionError("the memory could not be sampled") from self._error
            # However short the last phase was.
            self._sample()

    def _run(self):
        try:
            while not self._over.wait(INTERVAL_SECONDS):
                self._sample()
        except Exception as error:
            self._error = error

    def _sample(self):
        for name, pid in self._pids().items():
            self._samples.append((name, self._phase(), resident_mib(pid)))

    def peaks(self):
        """The largest sample of each process."""
        found = {}
        for name, _, mib in self._samples:
            if mib is not None:
                found[name] = max(mib, found.get(name, 0))
        return found

    def _sizes(self, name, phase):
        return [mib for sampled, on, mib in self._samples if (sampled, on) == (name, phase)]

    def growth(self, name, phase):
        """How much more it had in the last third of a phase than in the middle one, by their medians; None if it had gone."""
        sizes = self._sizes(name, phase)
        assert len(sizes) >= FEWEST_SAMPLES, (
            f"the phase {phase!r} has {len(sizes)} samples of {name}, expected at least {FEWEST_SAMPLES}"
        )
        if None in sizes:
            return None
        third = len(sizes) // 3
        return statistics.median(sizes[-third:]) - statistics.median(sizes[third : 2 * third])

    def growth_on_the_whole(self, name):
        """How much more it, or its successor, had at the end of all than at the end of the phase `before`."""
        ends = [self._sizes(name, phase)[-AT_ONE_TIME:] for phase in ("before", "after")]
        assert all(ends) and None not in ends[0] + ends[1], (
            f"expected samples of {name} before and after, got {ends[0]} and {ends[1]}"
        )
        before, after = map(statistics.median, ends)
        return after - before

    def check(self, bounds, growth_mib, whole_mib, phase="during"):
        """Bounds in MiB by the beginning of a name: for the peak, for the growth in a phase, and for that on the whole."""
        peaks = self.peaks()
        for name in self._pids():
            peak, most, whole = (of_kind(name, kinds) for kinds in (bounds, growth_mib, whole_mib))
            assert name in peaks, f"there are no samples of {name}"
            assert peaks[name] <= peak, f"{name} took {peaks[name]:.1f} MiB, expected at most {peak}"
            grown = self.growth(name, phase)
            assert grown is None or grown <= most, (
                f"{name} grew by {grown:.1f} MiB while the fault went on, expected at most {most}"
            )
            grown = self.growth_on_the_whole(name)
            assert grown <= whole, f"{name} grew by {grown:.1f} MiB from before the fault to the end, expected at most {whole}"


def of_kind(name, bounds):
    return next(mib for start, mib in bounds.items() if name.startswith(start))


def resident_mib(pid):
    """VmRSS, or None where the process has gone."""
    try:
        for text in Path(f"/proc/{pid}/status").read_text().splitlines():
            if text.startswith("VmRSS:"):
                return int(text.split()[1]) / KIB_PER_MIB
    except OSError:
        pass
    return None
