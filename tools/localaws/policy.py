"""The policy of the solar system example: a copy that names the real issuer, and what it says.

`expected_status` reads the policy file a second time, on its own: the demo and the tests compare
Portcullis with the policy's text, not with a table that somebody wrote down.
"""

import shutil
from pathlib import Path

import yaml

from . import paths

SOURCE = paths.SOLAR_SYSTEM / "policy"
# Stands in the policy for the authorization server, whose port is known only when it runs.
PLACEHOLDER_ISSUER = "https://authorization-server.example"


class Policy:
    """A policy directory of its own, which a test may edit."""

    def __init__(self, directory, issuer):
        self.directory = Path(directory) / "policy"
        shutil.copytree(SOURCE, self.directory)
        self.file = self.directory / "services" / "solar-system.yaml"
        text = self.file.read_text()
        if text.count(PLACEHOLDER_ISSUER) != 1:
            raise ValueError(f"{SOURCE} must name {PLACEHOLDER_ISSUER} once")
        self.write(text.replace(PLACEHOLDER_ISSUER, issuer))

    def read(self):
        return self.file.read_text()

    def write(self, text):
        """Replaces the file in one step, as an editor or a deployment tool does."""
        draft = self.file.with_name(".draft")
        draft.write_text(text)
        draft.replace(self.file)

    def operations(self):
        return yaml.safe_load(self.read())["operations"]

    def scope_table(self):
        """The same policy as the authorizer's PORTCULLIS_SCOPES takes it: method, path and scopes."""
        entries = []
        for operation in self.operations():
            rules = operation.get("rules", {})
            scopes = rules.get("scopes", {}).get("any_of", [])
            if operation.get("public") or rules.keys() - {"scopes"} or "all_of" in rules.get("scopes", {}):
                raise ValueError(f"{operation['name']}: a scope table has no words for it")
            for method in operation.get("methods", ["*"]):
                for path in operation["paths"]:
                    entries.append(f"{method} {path}" + (f" = {' '.join(scopes)}" if scopes else ""))
        return "; ".join(entries)

    def expected_status(self, method, path, scopes):
        """What the policy says about a request; `scopes` is None for a caller without a valid token."""
        service = yaml.safe_load(self.read())
        operation = next(
            (
                operation
                for operation in service["operations"]
                if path in operation["paths"] and method in operation.get("methods", [method])
            ),
            None,
        )
        if operation is not None and operation.get("public"):
            return 200
        if scopes is None:
            return 401
        if operation is None:
            return 200 if service["unmatched"] == "token" else 403
        rule = operation.get("rules", {}).get("scopes", {})
        any_of, all_of = set(rule.get("any_of", [])), set(rule.get("all_of", []))
        allowed = (not any_of or any_of & set(scopes)) and all_of <= set(scopes)
        return 200 if allowed else 403
