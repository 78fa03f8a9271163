"""The OpenAPI document: valid, true of each record, and enough for a generator to make a client that works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from hallway.core import model
from hallway.core.model import Record
from hallway.core.record_fields import OWN, SHARED, WORDS, describe

if TYPE_CHECKING:
    from hub.client import Client
    from hub.process import HubProcess

PROGRAM = Path(__file__).parent / "generated_program.py"
RECORDS = [each for each in vars(model).values() if isinstance(each, type) and issubclass(each, Record)]
RECORDS.remove(Record)


@pytest.fixture
def document(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json
    return found


def test_the_document_passes_a_strict_validator(document: dict[str, Any]) -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_no_operation_id_is_there_twice(document: dict[str, Any]) -> None:
    ids = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_of_a_record_is_described(record: type[Record], document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"][record.__name__]
    for field in record._fields:
        assert schema["properties"][field]["description"] == describe(record, field)


def test_a_status_has_the_words_of_its_own_record(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Session"]["properties"]["status"]["enum"] == list(model.STATUSES)
    assert schemas["Task"]["properties"]["status"]["enum"] == list(model.TASK_STATUSES)
    about = {
        name: schema["properties"]["status"]["description"]
        for name, schema in schemas.items()
        if name != "Error" and "status" in schema["properties"]
    }
    assert about["Task"] != about["Session"]


def test_no_description_is_of_a_field_that_is_not_there() -> None:
    fields = {record.__name__: set(record._fields) for record in RECORDS}
    assert [(name, field) for name, own in OWN.items() for field in own if field not in fields[name]] == []
    assert [pair for pair in WORDS if pair[1] not in fields[pair[0]]] == []
    used = {field for name, own in fields.items() for field in own if field not in OWN.get(name, {})}
    assert used == set(SHARED)


def test_a_generated_client_works(hub: HubProcess, document: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    config = tmp_path / "config.yml"
    config.write_text("post_hooks: []\n", encoding="utf-8")
    made = subprocess.run(
        [
            Path(sys.executable).with_name("openapi-python-client"),
            "generate",
            "--path",
            file,
            "--config",
            config,
            "--output-path",
            tmp_path / "generated",
            "--meta",
            "none",
            "--fail-on-warning",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    done = subprocess.run(
        [sys.executable, PROGRAM, hub.url],
        env={"PYTHONPATH": str(tmp_path), "NO_PROXY": "127.0.0.1,localhost"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
