"""Edits of the policy while everything runs."""

import pytest

from conftest import eventually

SILVER = "any_of: [http://myapp.com/scp/silver]"
GOLD = "any_of: [http://myapp.com/scp/gold]"


def test_an_edit_is_picked_up_without_a_restart(policy, apis, callers):
    silver = callers["silver"].headers
    assert apis.rest.call("/planets", silver).status == 200
    policy.write(policy.read().replace(SILVER, GOLD))
    eventually(lambda: apis.rest.call("/planets", silver).status == 403)
    assert apis.http.call("/planets", silver).status == 403
    assert apis.http.call("/planets", callers["gold"].headers).status == 200


@pytest.mark.parametrize(
    "breaks",
    [
        pytest.param(lambda text: text.replace("operations:", "operatoins:"), id="unknown key"),
        pytest.param(lambda text: text.replace("paths: [/moons]", "paths: ['/{x']"), id="bad pattern"),
        pytest.param(lambda text: text[: len(text) // 2] + "\n  - [", id="not YAML"),
        pytest.param(lambda text: "", id="empty file"),
    ],
)
def test_a_broken_edit_keeps_the_old_policy(system, policy, apis, callers, breaks):
    before = len(system.decision_service.process.log())
    # The good half of the edit would let silver see the moons.
    policy.write(breaks(policy.read().replace(GOLD, SILVER)))
    eventually(lambda: "solar-system.yaml" in system.decision_service.process.log()[before:])
    assert apis.rest.call("/moons", callers["silver"].headers).status == 403
    assert apis.rest.call("/moons", callers["gold"].headers).status == 200
    assert apis.rest.call("/planets", callers["silver"].headers).status == 200
    assert system.decision_service.endpoint.call("/health/ready").status == 200


def test_a_second_service_on_the_same_base_url_keeps_the_old_policy(system, policy, apis, callers):
    twin = policy.file.with_name("twin.yaml")
    before = len(system.decision_service.process.log())
    try:
        twin.write_text(policy.read().replace(GOLD, SILVER))
        eventually(lambda: "twin.yaml" in system.decision_service.process.log()[before:])
        assert apis.rest.call("/moons", callers["silver"].headers).status == 403
        assert apis.rest.call("/moons", callers["gold"].headers).status == 200
    finally:
        twin.unlink()
