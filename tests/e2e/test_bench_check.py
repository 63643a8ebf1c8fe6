"""The comparison of instruction counts that `make bench-check` makes: what passes, and what fails it."""

import json
import re
import tomllib

import pytest

import bench_check
from bench_check import CheckError, compare, counted_with, differences

KEPT = {"decide": 1000, "verify": 20_000}
WITH = {"architecture": "x86_64", "rustc": "1.95.0", "valgrind": "3.19.0"}


@pytest.mark.parametrize("counted", [KEPT, {"decide": 1050, "verify": 20_000}, {"decide": 10, "verify": 20_000}])
def test_what_grew_by_up_to_5_percent_or_shrank_passes(counted):
    lines, wrong = compare(KEPT, counted)
    assert len(lines) == 2
    assert wrong == []


def test_what_grew_by_more_is_named_with_both_counts():
    _, wrong = compare(KEPT, {"decide": 1051, "verify": 20_000})
    assert wrong == ["decide: 1,051 instructions, 5.1 % more than the 1,000 that are kept; up to 5 % is allowed"]


def test_a_path_that_is_counted_on_one_side_only_is_wrong():
    _, wrong = compare(KEPT, {"decide": 1000, "answer": 5})
    assert wrong == ["verify: no longer counted", "answer: not kept yet"]


def test_the_same_tools_need_no_word():
    assert differences(WITH, WITH) == []


@pytest.mark.parametrize("tool", ["rustc", "valgrind"])
def test_another_tool_is_named_with_both_versions(tool):
    assert differences(WITH, {**WITH, tool: "9.9"}) == [
        f"{tool} is 9.9, and was {WITH[tool]} when the counts were kept: a part of a difference may be its own"
    ]


def test_counts_of_another_architecture_are_not_compared():
    with pytest.raises(CheckError, match="counts.json are of x86_64, and this is aarch64, whose instructions are others: run this on x86_64"):
        differences(WITH, {**WITH, "architecture": "aarch64"})


def test_another_architecture_is_refused_before_anything_is_counted(monkeypatch, capsys):
    monkeypatch.setattr(bench_check, "counted_with", lambda: {**WITH, "architecture": "aarch64"})
    monkeypatch.setattr(bench_check, "measure", lambda binary: pytest.fail("counted"))
    monkeypatch.setattr("sys.argv", ["bench_check.py", "portcullis-instructions"])
    assert bench_check.main() == 2
    assert "this is aarch64" in capsys.readouterr().err


def test_what_counts_depend_on_is_kept_with_them_and_compared(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(bench_check, "ROOT", tmp_path)
    monkeypatch.setattr(bench_check, "KEPT", tmp_path / "counts.json")
    monkeypatch.setattr(bench_check, "measure", lambda binary: KEPT)
    monkeypatch.setattr(bench_check, "counted_with", lambda: WITH)
    monkeypatch.setattr("sys.argv", ["bench_check.py", "portcullis-instructions", "--update"])
    assert bench_check.main() == 0
    assert json.loads((tmp_path / "counts.json").read_text()) == {"counted with": WITH, "instructions": KEPT}
    monkeypatch.setattr(bench_check, "counted_with", lambda: {**WITH, "rustc": "1.96.0"})
    monkeypatch.setattr("sys.argv", ["bench_check.py", "portcullis-instructions"])
    capsys.readouterr()
    assert bench_check.main() == 0
    assert capsys.readouterr().out.startswith("NOTE rustc is 1.96.0, and was 1.95.0 when")


def test_the_counts_that_are_kept_are_of_this_compiler():
    kept = json.loads(bench_check.KEPT.read_text())
    toolchain = tomllib.loads((bench_check.ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    assert kept["counted with"]["rustc"] == toolchain
    assert all(isinstance(count, int) for count in kept["instructions"].values())


def test_versions_are_read_from_what_the_programs_print(monkeypatch):
    printed = {"rustc": "rustc 1.95.0 (59807616e 2026-04-14)\n", "valgrind": "valgrind-3.19.0\n"}
    monkeypatch.setattr(bench_check.subprocess, "run", lambda command, **_: type("Done", (), {"stdout": printed[command[0]]}))
    assert {**counted_with(), "architecture": "x86_64"} == WITH


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(CheckError, match=re.escape("no-such-program --version does not work")):
        bench_check.version(["no-such-program", "--version"])
