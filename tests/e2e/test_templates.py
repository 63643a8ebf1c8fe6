"""The CloudFormation templates, as cfn-lint sees them."""

import subprocess
import sys
from pathlib import Path

import pytest

from localaws import paths

TEMPLATES = [
    *sorted((paths.REPOSITORY / "deploy" / "cloudformation").glob("*.yaml")),
    paths.SOLAR_SYSTEM / "apis.yaml",
    paths.REPOSITORY / "tests" / "e2e" / "websocket.yaml",
]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_cfn_lint_has_nothing_to_say(template):
    lint = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--include-checks", "I", "--", str(template)],
        capture_output=True,
        text=True,
    )
    assert (lint.returncode, lint.stdout) == (0, "")
