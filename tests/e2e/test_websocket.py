"""The $connect route of a WebSocket API."""

from pathlib import Path

import pytest

from conftest import eventually
from localaws import deployment
from websocket_client import connect

TEMPLATE = Path(__file__).with_name("websocket.yaml")
# The policy of the example knows no WebSocket; this operation is its $connect route for the tests.
CONNECT = """
  - name: Connect
    paths: [/]
    rules:
      scopes: { any_of: [http://myapp.com/scp/silver] }
"""


@pytest.fixture(scope="module")
def websocket(system):
    parameters = system.authorizer_parameters()
    del parameters["BackendCodeKey"]
    outputs = deployment.deploy(system.aws, "websocket", TEMPLATE, parameters)
    return system.aws.api(outputs["ApiId"], outputs["StageName"])


def test_the_policy_decides_who_connects(policy, websocket, callers):
    assert connect(websocket, callers["gold"].headers) == 403, "no operation covers it yet"
    policy.write(policy.read() + CONNECT)
    eventually(lambda: connect(websocket, callers["silver"].headers) == 101)
    assert connect(websocket, callers["gold"].headers) == 101
    assert connect(websocket, callers["bronze"].headers) == 403


def test_without_a_valid_token(websocket, callers):
    assert connect(websocket) == 401
    # MiniStack's WebSocket APIs show every error of an authorizer as 500, `Unauthorized` among them.
    assert connect(websocket, callers["forged token"].headers) == 500
