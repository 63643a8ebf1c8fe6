"""The authorizer's settings as the template passes them on, and settings that it must refuse."""

import pytest

from conftest import FunctionError, change_setting


@pytest.fixture
def setting(system, apis):
    """Changes settings of the function for one test."""
    changed = {}

    def change(name, value):
        changed[name] = change_setting(system, apis, name, value)

    yield change
    for name, before in changed.items():
        change_setting(system, apis, name, before)


def test_the_template_sets_every_variable(system, apis):
    configuration = system.aws.client("lambda").get_function_configuration(FunctionName=apis.authorizer_function)
    assert configuration["Environment"]["Variables"] == {
        "PORTCULLIS_DECISION_POINT": "sideband",
        "SERVICE_URL": system.decision_service.url,
        "SECRET_HEADER_VALUE": system.decision_service.credential,
        "SECRET_HEADER_NAME": "CLIENT-TOKEN",
        "MAX_RETRIES": "1",
        "IS_DEBUG_ENABLED": "false",
        "PORTCULLIS_TIMEOUT": "2s",
        "PORTCULLIS_CACHE_TTL": "0s",
        "PORTCULLIS_STRIP_STAGE": "true",
        "PORTCULLIS_BASE_URL": "https://solar-system.example",
        "PORTCULLIS_ON_UNAVAILABLE": "error",
        "PORTCULLIS_HTTP_RESPONSE": "simple",
    }
    assert configuration["Runtime"] == "provided.al2023"
    assert configuration["MemorySize"] == 128
    assert configuration["Timeout"] == 5
    assert configuration["LoggingConfig"]["LogFormat"] == "JSON"
    assert configuration["LoggingConfig"]["LogGroup"] == apis.authorizer_log_group


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVICE_URL", "decisions.example"),
        ("SECRET_HEADER_VALUE", None),
        ("SECRET_HEADER_NAME", "not a header"),
        ("MAX_RETRIES", "many"),
        ("IS_DEBUG_ENABLED", "perhaps"),
        ("PORTCULLIS_TIMEOUT", "soon"),
        ("PORTCULLIS_STRIP_STAGE", "perhaps"),
        ("PORTCULLIS_BASE_URL", "solar-system.example"),
        ("PORTCULLIS_ON_UNAVAILABLE", "allow"),
        ("PORTCULLIS_HTTP_RESPONSE", "xml"),
        ("PORTCULLIS_ROOT_CA", "no-such-file.pem"),
    ],
)
def test_a_bad_setting_stops_the_function(system, apis, callers, invoke, setting, name, value):
    setting(name, value)
    for api in (apis.rest, apis.http):
        assert api.call("/asteroids", callers["gold"].headers).status == 500
    with pytest.raises(FunctionError) as stopped:
        invoke(apis, {})
    # MiniStack puts what the function wrote before it ended into the error.
    assert name in str(stopped.value)
    assert system.decision_service.credential not in str(stopped.value)


def test_a_wrong_credential_is_no_permit(apis, callers, setting):
    setting("SECRET_HEADER_VALUE", "wrong")
    assert apis.rest.call("/asteroids", callers["gold"].headers).status == 500
    assert apis.http.call("/asteroids", callers["gold"].headers).status == 500
