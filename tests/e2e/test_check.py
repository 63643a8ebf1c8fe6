"""What `make test` counts: what passed, failed and was skipped, and that no test is skipped without a reason that is allowed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import check
from check import Allowance, Counts, Step, judge
from localaws.processes import plain_environment

REPOSITORY = Path(__file__).resolve().parents[2]
CARGO = """
running 3 tests
test shapes::a_circle_is_round ... ok
test shapes::needs_a_plotter ... ignored, there is no plotter
test shapes::needs_a_pen ... ignored

test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests shapes

running 1 test
test crates/shapes/src/lib.rs - draw (line 3) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
"""
PLOTTER = Allowance(r"shapes::needs_a_plotter", here=True, why="a plotter is dear")
PEN = Allowance(r"shapes::needs_a_pen", here=True, why="so is a pen")


def test_ignored_rust_tests_are_skips_that_have_to_be_allowed():
    counts, remarks = judge("cargo", 0, CARGO, [PLOTTER, PEN])
    assert counts == Counts(passed=2, failed=0, skipped=2)
    assert remarks == [
        "skipped: shapes::needs_a_plotter: there is no plotter. It may be: a plotter is dear",
        "skipped: shapes::needs_a_pen: it does not say why. It may be: so is a pen",
    ]
    counts, remarks = judge("cargo", 0, CARGO, [PLOTTER])
    assert counts == Counts(passed=2, failed=1, skipped=1)
    assert "needs_a_pen: it does not say why. ALLOWED_SKIPS in tools/check.py does not allow that here" in remarks[1]


def test_a_skip_is_allowed_only_where_the_test_cannot_run():
    elsewhere = Allowance(r"shapes::.*", here=False, why="other machines have no pens")
    assert judge("cargo", 0, CARGO, [elsewhere])[0] == Counts(passed=2, failed=2, skipped=0)


SUITE = """
import pytest

def test_good(): pass

@pytest.mark.parametrize("size", [1, 2])
def test_sizes(size): pytest.skip("needs a ruler: there is none")

@pytest.mark.skipif(True, reason="it is dark")
def test_dark(): pass

@pytest.mark.xfail(reason="nobody knows how")
def test_beyond(): assert False
"""


@pytest.mark.parametrize("processes", [[], ["-n", "2"]], ids=["one process", "two processes"])
def test_skips_are_read_from_what_pytest_prints(tmp_path, processes):
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "test_nothing.py").write_text("import pytest\npytest.skip('nothing is here', allow_module_level=True)\n")
    # Without the other plug-ins of the end-to-end tests, which take seconds to load.
    ran = subprocess.run(
        [sys.executable, *check.PYTEST[1:], "-p", "no:cacheprovider", "-p", "xdist", *processes, "."],
        cwd=tmp_path, env=plain_environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"), capture_output=True, text=True,
    )
    allowed = [Allowance(r"test_suite\.py::test_sizes.*", here=True, why="rulers break"), Allowance(r".*dark", True, "it is night")]
    counts, remarks = judge("pytest", ran.returncode, ran.stdout, allowed)
    # The file, and the test that is expected to fail, of which nobody said that it may.
    assert counts == Counts(passed=1, failed=2, skipped=3), ran.stdout
    assert sorted(remarks) == [
        "1 skipped of which nothing more is said, which counts as as many failures",
        "skipped: test_nothing.py: nothing is here. ALLOWED_SKIPS in tools/check.py does not allow that here, so it counts as a failure",
        "skipped: test_suite.py::test_dark: it is dark. It may be: it is night",
        "skipped: test_suite.py::test_sizes[1]: needs a ruler: there is none. It may be: rulers break",
        "skipped: test_suite.py::test_sizes[2]: needs a ruler: there is none. It may be: rulers break",
    ]


@pytest.mark.parametrize(
    ("kind", "status", "output", "expected"),
    [
        ("one", 0, "", Counts(passed=1)),
        ("one", 1, "", Counts(failed=1)),
        ("pytest", 1, "=== 2 failed, 5 passed, 3 warnings, 1 error in 1.00s (0:00:01) ===\n", Counts(passed=5, failed=3)),
        ("pytest", 3, "=== 5 passed in 1.00s ===\n", Counts(passed=5, failed=1)),
        ("pytest", 5, "=== no tests ran in 0.01s ===\n", Counts(failed=1)),
        ("pytest", 0, "=== 2 passed, 1 skipped in 0.01s ===\n", Counts(passed=2, failed=1)),
        ("cargo", 101, "error: could not compile\n", Counts(failed=1)),
    ],
)
def test_nothing_that_went_wrong_is_left_out(kind, status, output, expected):
    assert judge(kind, status, output, [])[0] == expected


def test_the_last_line_has_all_three_numbers_and_a_skip_that_is_not_allowed_fails(monkeypatch, capfd):
    steps = [Step("shapes", [sys.executable, "-c", f"print({CARGO!r})"], counts="cargo"), Step("lint", ["true"])]
    monkeypatch.setattr(check, "lints", lambda: steps)
    monkeypatch.setattr(check, "tests", lambda: [])
    monkeypatch.setattr(check.shutil, "which", lambda name: name)
    monkeypatch.setattr(check.subprocess, "run", lambda *arguments, **options: None)
    monkeypatch.setattr(sys, "argv", ["check.py"])
    for allowed, status, shapes, last in (
        ([PLOTTER, PEN], 0, "ok     shapes: 2 passed, 0 failed, 2 skipped", "3 passed, 0 failed, 2 skipped"),
        ([PLOTTER], 1, "FAILED shapes: 2 passed, 1 failed, 1 skipped", "3 passed, 1 failed, 1 skipped"),
    ):
        monkeypatch.setattr(check, "ALLOWED_SKIPS", allowed)
        assert check.main() == status
        printed = capfd.readouterr().out.splitlines()
        assert printed[-3:] == [shapes, "ok     lint: 1 passed, 0 failed, 0 skipped", last]
        assert any("=== shapes: skipped: shapes::needs_a_pen: " in line for line in printed)


def test_what_may_be_skipped_is_there_and_says_why():
    for allowance in check.ALLOWED_SKIPS:
        assert len(allowance.why) >= 20, allowance
        function = allowance.tests.rpartition("::")[2]
        if allowance.tests.startswith("tests/"):
            files = [file for file in REPOSITORY.glob("tests/*/test_*.py")
                     if re.fullmatch(allowance.tests, f"{file.relative_to(REPOSITORY)}::test")]
            assert files, f"no file of tests has a name like {allowance.tests}"
            assert all("skip" in file.read_text() or "needs_mounts" in file.read_text() for file in files), allowance
        else:
            ignored = rf"#\[ignore[^\n]*\n\s*(?:async )?fn {function}\b"
            assert any(re.search(ignored, file.read_text()) for file in REPOSITORY.glob("crates/*/tests/**/*.rs")), allowance
