"""Where things are in the repository."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
AUTHORIZER_TEMPLATE = REPOSITORY / "deploy" / "cloudformation" / "authorizer.yaml"
SOLAR_SYSTEM = REPOSITORY / "examples" / "solar-system"

# The two programs under test. The variable points the demo and the tests at another build.
BINARIES = Path(os.environ.get("PORTCULLIS_BIN_DIR", REPOSITORY / "target" / "release"))
PORTCULLIS = BINARIES / "portcullis"
BOOTSTRAP = BINARIES / "bootstrap"
