"""README.md has a row for every scenario, and none for one that is not there."""

import re
from pathlib import Path

HERE = Path(__file__).parent
NO_SCENARIOS = {"test_checker.py", "test_readme.py"}


def test_the_table_has_every_scenario_once():
    files = [file for file in sorted(HERE.glob("test_*.py")) if file.name not in NO_SCENARIOS]
    scenarios = [name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)]
    rows = re.findall(r"^\| `(test_\w+)` \|", (HERE / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(scenarios)


def test_every_link_leads_somewhere():
    for path, anchor in re.findall(r"\]\(([^)#]+)(?:#([^)]*))?\)", (HERE / "README.md").read_text()):
        text = (HERE / path).resolve().read_text()
        headings = {re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in text.splitlines() if line.startswith("#")}
        assert not anchor or anchor in headings, f"{path} has no heading for #{anchor}"
