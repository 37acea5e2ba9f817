"""compose.yaml: what can be known of it without Docker."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from photosearch.errors import BadParams
from photosearch.settings import Services, load_services

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCUMENT = (ROOT / "docs/operations/compose.md").read_text()
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)([^}]*)\}")
NOT_OURS = {"PHOTOSEARCH_POSTGRES_PASSWORD", "PHOTOSEARCH_BENTO", "PHOTOSEARCH_EVENTS"}
"""Read by compose.yaml alone, or by the part of the service that keeps events."""
WHO_MAY_CALL = {
    "PHOTOSEARCH_API_KEYS", "PHOTOSEARCH_KEY_PER_MIN", "PHOTOSEARCH_PUBLIC_PER_MIN",
    "PHOTOSEARCH_CORS_ORIGINS", "PHOTOSEARCH_DEADLINE_S", "PHOTOSEARCH_UPLOAD_S",
    "FORWARDED_ALLOW_IPS",
}  # fmt: skip

every_service = pytest.mark.parametrize("name", SERVICES)


def test_every_engine_of_the_document_and_the_service_are_there():
    assert set(SERVICES) == {"qdrant", "postgres", "prefect", "label-studio", "search"}


@every_service
def test_a_service_is_looked_after_and_bounded(name: str):
    service = SERVICES[name]
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)
    # no `cpus`: where a machine has fewer, Docker starts nothing
    assert set(service["deploy"]["resources"]["limits"]) == {"memory"}
    assert service["restart"] == "unless-stopped"
    assert "no-new-privileges:true" in service["security_opt"]


@every_service
def test_ports_are_open_to_this_machine_alone(name: str):
    for port in SERVICES[name]["ports"]:
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_two_services_never_want_one_port():
    ports = [port.split(":")[1] for service in SERVICES.values() for port in service["ports"]]
    assert len(ports) == len(set(ports))


@every_service
def test_an_image_has_a_version_or_is_built_from_a_bento(name: str):
    service = SERVICES[name]
    if "build" in service:
        assert service["build"]["dockerfile"] == "env/docker/Dockerfile"
        assert "image" not in service
    else:
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?(-python3\.11)?", service["image"])


def test_every_variable_must_be_set_and_says_what_it_is():
    found = VARIABLE.findall(TEXT)
    assert found
    for name, rest in found:
        assert rest.startswith(":?"), f"{name} has a default or may be empty"
        assert len(rest) > 5


def test_every_variable_is_in_the_document():
    for name in {name for name, _ in VARIABLE.findall(TEXT)}:
        assert f"`{name}`" in DOCUMENT


@every_service
def test_no_secret_is_written_down(name: str):
    written = {k: v for k, v in SERVICES[name].get("environment", {}).items() if v is not None}
    for key, value in written.items():
        if re.search("PASSWORD|KEY|TOKEN$|SECRET", key) and "ENABLE" not in key:
            assert value.startswith("${"), key
        if "://" in value and "@" in value:
            assert ":${" in value, key


@every_service
def test_what_it_waits_for_is_a_service(name: str):
    waits_for = SERVICES[name].get("depends_on", {})
    assert set(waits_for) <= set(SERVICES)
    assert all(one == {"condition": "service_healthy"} for one in waits_for.values())


@every_service
def test_every_named_volume_is_declared(name: str):
    sources = [volume.split(":")[0] for volume in SERVICES[name].get("volumes", [])]
    named = {source for source in sources if re.fullmatch("[a-z-]+", source)}
    assert named <= set(COMPOSE["volumes"])


def test_our_service_is_told_only_what_it_reads():
    known = {f"PHOTOSEARCH_{field.upper()}" for field in Services.model_fields} | NOT_OURS
    told = {name for name in SERVICES["search"]["environment"] if name.startswith("PHOTOSEARCH_")}
    assert told <= known


def test_who_may_call_is_passed_on_only_where_it_is_set():
    environment = SERVICES["search"]["environment"]
    assert {name for name, value in environment.items() if value is None} == WHO_MAY_CALL
    for name in WHO_MAY_CALL:
        assert f"`{name}`" in DOCUMENT


@pytest.mark.parametrize("field", ["api_keys", "key_per_min", "deadline_s"])
def test_an_empty_number_or_json_would_be_refused(field: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"PHOTOSEARCH_{field.upper()}", "")
    with pytest.raises(BadParams, match=f"Environment: .*{field}.*Mend"):
        load_services()
