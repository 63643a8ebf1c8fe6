"""Does the management API do what its OpenAPI document says, whatever it is sent?"""

import json
import re

import pytest
from localaws.calls import bearer
from management_api import LEAST_OPERATIONS, ManagementApi


@pytest.fixture
def management(tmp_path):
    management = ManagementApi(tmp_path)
    yield management
    management.stop()


def test_every_operation_does_what_the_document_says(management):
    """Always with the same inputs; `make fuzz TARGET=management` goes on with others."""
    held, said = management.schemathesis("--seed", "1", "--generation-deterministic", "--max-examples", "4")
    assert held, said
    operations = re.search(r"Tested: (\d+)", said)
    assert operations and int(operations[1]) >= LEAST_OPERATIONS, said
    # Resources were made, so what is read of them was compared, too.
    assert management.get("/gateways").json()["size"] > 0
    assert management.get("/policies").json()["size"] > 0


def test_who_lacks_the_role_changes_nothing(management):
    """Every operation of the document, with a body that it would take from somebody else."""
    nobody, viewer, editor = "0" * 64, management.administrator("viewer"), management.administrator("editor")
    refused = 0
    for path, operations in management.document()["paths"].items():
        path = re.sub(r"\{\w+\}", "1", path)
        for method, operation in operations.items():
            kind, body = next(iter(operation.get("requestBody", {}).get("content", {}).items()), ("application/json", {}))
            wanted = [((), 401), (bearer(nobody), 401)]
            if method != "get":
                wanted.append((bearer(viewer), 403))
                if operation["tags"][0] in ("Gateways", "Deployments"):
                    wanted.append((bearer(editor), 403))
            for headers, status in wanted:
                text = json.dumps(body["example"]).encode() if "example" in body else None
                headers = [*headers, ("Content-Type", kind)]
                answer = management.endpoint.call(path, headers, method.upper(), text)
                assert answer.status == status, f"{method} {path}: {answer.status} {answer.body}"
                refused += 1
    assert refused > 90
    for collection in ("apiServers", "externalOAuthServers", "policies", "gateways", "deployments"):
        assert management.get(f"/{collection}").json()["size"] == 0, collection
