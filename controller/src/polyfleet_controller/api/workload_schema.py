"""The JSON Schema (2020-12) of our Workload kind: the one that the API's document has, by itself.

It comes from the classes that the codec reads manifests by. It is for editors and checks before a manifest
is sent; the codec stays the judge and refuses more than a schema can.
"""

from typing import Final

from polyfleet_controller.api.contract import REFINEMENTS
from polyfleet_controller.api.schema import Catalogue, Direction, Schema
from polyfleet_controller.domain.manifest import WorkloadManifest
from polyfleet_shared.json_text import JsonValue

SCHEMA_PATH: Final = "/v1/schemas/workload"

_OPENAPI: Final = "#/components/schemas/"
_ALONE: Final = "#/$defs/"


def describe_workload() -> Schema:
    """The schema, complete in itself."""
    catalogue = Catalogue(direction=Direction.REQUEST, refinements=REFINEMENTS)
    root = _point_inside(catalogue.refer(WorkloadManifest))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Polyfleet Workload",
        "allOf": [root],
        "$defs": {name: _point_inside(schema) for name, schema in catalogue.components.items()},
    }


def _point_inside(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_point_inside(item) for item in value]
    if isinstance(value, dict):
        return {
            key: item.replace(_OPENAPI, _ALONE)
            if key == "$ref" and isinstance(item, str)
            else _point_inside(item)
            for key, item in value.items()
        }
    return value
