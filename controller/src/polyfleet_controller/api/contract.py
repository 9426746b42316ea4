"""The OpenAPI document: FastAPI gives the paths, our dataclasses the schemas."""

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from http import HTTPStatus
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from polyfleet_controller.api.operators import PARAMETER
from polyfleet_controller.api.problems import MEDIA_TYPE, STATUS, TITLES, ProblemCode, ProblemDetails
from polyfleet_controller.api.queries import WorkloadName
from polyfleet_controller.api.schema import Catalogue, Direction, Refinements, Schema, merge_components
from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.domain.manifest import (
    API_VERSION,
    KIND,
    ContainerTemplate,
    Name,
    PodSpec,
    WorkloadManifest,
    WorkloadSpec,
)
from polyfleet_controller.domain.pod_placement import (
    NodeSelector,
    PreferredSchedulingTerm,
    TopologySpreadConstraint,
)
from polyfleet_controller.domain.pod_probes import HttpGetTemplate, PortReference, ProbeTemplate
from polyfleet_controller.domain.quantities import Quantity
from polyfleet_controller.domain.rollout.strategy import (
    MAX_SECONDS,
    MAX_WAVES,
    Amount,
    Percentage,
    Pulls,
    Schedule,
    Strategy,
    Wave,
    Window,
)
from polyfleet_controller.domain.selectors import Selector
from polyfleet_controller.services.pages import MAX_LIMIT
from polyfleet_shared.codec import json_name
from polyfleet_shared.json_text import JsonValue
from polyfleet_shared.platforms import Platform
from polyfleet_shared.probes import ExecAction
from polyfleet_shared.workloads import ContainerPort, EnvironmentVariable

DOCUMENT_PATH: Final = "/v1/openapi.json"
_NAME: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
NAME_PATTERN: Final = f"^{_NAME}$"
# As text: FastAPI would take " 1" and "1.0" for a number as well. Those of the store have 64 bits.
NUMBER_PATTERN: Final = "^[1-9][0-9]{0,17}$"

_PLATFORM_PART: Final = "[a-z0-9][a-z0-9._-]{0,31}"
_PORT: Final[Schema] = {"minimum": 1, "maximum": 65535}
_AMOUNT: Final = "^([1-9][0-9]{0,6}|[1-9][0-9]?%|100%)$"

# What the annotations cannot say. The codec stays the judge: it refuses more than a schema can.
REFINEMENTS: Final[Refinements] = {
    WorkloadManifest: {
        "": {"required": ["apiVersion", "kind", "metadata", "spec"]},
        "apiVersion": {"const": API_VERSION},
        "kind": {"const": KIND},
    },
    PodSpec: {
        "containers": {"minItems": 1},
        "terminationGracePeriodSeconds": {"minimum": 0, "maximum": 24 * 60 * 60},
    },
    WorkloadSpec: {
        "replicas": {"minimum": 0, "maximum": 1_000_000},
        "minReadySeconds": {"minimum": 0, "maximum": MAX_SECONDS},
        "progressDeadlineSeconds": {"minimum": 1, "maximum": MAX_SECONDS},
    },
    Strategy: {
        "waves": {"minItems": 1, "maxItems": MAX_WAVES},
        "waveDeadlineSeconds": {"minimum": 1, "maximum": MAX_SECONDS},
    },
    Wave: {"": {"type": ["object", "string", "integer"], "pattern": _AMOUNT, "minimum": 1}},
    Amount: {"": {"type": ["string", "integer"], "pattern": _AMOUNT, "minimum": 1, "examples": [1, "10%"]}},
    Percentage: {"": {"pattern": "^([1-9][0-9]?|100)%$", "examples": ["95%"]}},
    Schedule: {"": {"pattern": "^\\S+( \\S+){4}$", "examples": ["0 2 * * 6"]}},
    Window: {"durationSeconds": {"minimum": 60, "maximum": 7 * 24 * 60 * 60}},
    Pulls: {"perRegistry": {"minimum": 1}, "perTopology": {"minimum": 1}},
    NodeSelector: {"nodeSelectorTerms": {"minItems": 1}},
    PreferredSchedulingTerm: {"weight": {"minimum": 1, "maximum": 100}},
    TopologySpreadConstraint: {"maxSkew": {"minimum": 1}},
    PortReference: {
        "": {"type": ["string", "integer"], "minimum": 1, "maximum": 65535, "examples": [8080, "http"]}
    },
    HttpGetTemplate: {"path": {"pattern": "^/[!-~]*$"}},
    ProbeTemplate: {
        "": {"oneOf": [{"required": [name]} for name in ("exec", "httpGet", "tcpSocket")]},
        "initialDelaySeconds": {"minimum": 0},
        "periodSeconds": {"minimum": 1},
        "timeoutSeconds": {"minimum": 1},
        "successThreshold": {"minimum": 1},
        "failureThreshold": {"minimum": 1},
    },
    ExecAction: {"command": {"minItems": 1}},
    ContainerTemplate: {"workingDir": {"pattern": "^/[^\\x00]*$"}},
    ContainerPort: {"containerPort": _PORT, "hostPort": _PORT},
    EnvironmentVariable: {"name": {"pattern": "^[A-Za-z_][A-Za-z0-9_.-]*$"}},
    Name: {"": {"pattern": NAME_PATTERN}},
    ImageReference: {"": {"pattern": "^[^/]+/.+$", "examples": ["registry.example.com/team/hello:1.0"]}},
    Quantity: {"": {"type": ["string", "number"], "minimum": 0, "examples": ["64Mi", "500m", 0.5]}},
    Platform: {"": {"pattern": f"^{_PLATFORM_PART}(/{_PLATFORM_PART}){{1,2}}$"}},
    Selector: {"": {"examples": ["site=north,tier in (a,b),!retired"]}},
    WorkloadName: {"": {"pattern": f"^({_NAME}/)?{_NAME}$"}},
}

_PARAMETERS: Final[Mapping[str, tuple[str, Schema]]] = {
    "limit": ("At most so many items.", {"minimum": 1, "maximum": MAX_LIMIT}),
    "cursor": ("The `nextCursor` of the page before; without it, the first page.", {}),
    "selector": (
        "The devices whose labels meet it: `site=north,tier in (a,b),!retired`, as Kubernetes writes it.",
        {"examples": ["site=north,tier in (a,b),!retired"]},
    ),
    "label": (
        "Only those with this label, `key=value`; given several times, with all of them.",
        {"items": {"type": "string", "pattern": "^[^=\\x00]+=[^\\x00]*$"}},
    ),
    "dryRun": ("With `true`, only what the manifest would change is said, and nothing is changed.", {}),
    "resourceVersion": ("Only if the workload is still in this state; else the answer is `conflict`.", {}),
    "reference": ("The image, `registry/path[:tag][@digest]`.", {}),
    "workload": ("For the devices that this workload, `[namespace/]name`, is meant for, by its policy.", {}),
}


class Contract:
    """Collects what each operation takes and answers, while the routers are made."""

    def __init__(self) -> None:
        self._requests = Catalogue(direction=Direction.REQUEST, refinements=REFINEMENTS)
        self._answers = Catalogue(direction=Direction.ANSWER, refinements=REFINEMENTS)
        self._problem = self._answers.refer(ProblemDetails)

    def operation(
        self,
        *,
        answers: dict[HTTPStatus, object],
        query: type | None = None,
        body: type | None = None,
        other_body: Schema | None = None,
        by_operator: bool = False,
        problems: Sequence[ProblemCode] = (),
    ) -> dict[str, Any]:
        """The arguments of a route's decorator that describe it. An answer of None has no body.

        `other_body` is what is taken as well, or alone, and no class of ours. `by_operator` if it is noted
        who asked.
        """
        codes = [ProblemCode.INVALID_PARAMETER, *problems, ProblemCode.STORE_UNAVAILABLE]
        responses: dict[int | str, Any] = {
            int(status): {"description": status.phrase, **self._content(kind)}
            for status, kind in answers.items()
        }
        for code in codes:
            known = responses.setdefault(int(STATUS[code]), {"description": ""})
            known["description"] = f"{known['description']} `{code}`: {TITLES[code]}.".strip()
            known.setdefault("content", {}).update(self._problem_content()["content"])
        responses["default"] = {**self._problem_content(), "description": "Every other problem."}
        extra: Schema = {}
        parameters = [] if query is None else self._parameters(query)
        if by_operator:
            parameters.append(PARAMETER)
        if parameters:
            extra["parameters"] = [*parameters]
        bodies: list[JsonValue] = [] if body is None else [self._requests.refer(body)]
        bodies += [] if other_body is None else [other_body]
        if bodies:
            schema: JsonValue = bodies[0] if len(bodies) == 1 else {"anyOf": bodies}
            extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        return {
            "responses": responses,
            "openapi_extra": extra,
            "status_code": int(next(iter(answers))),
            "response_model": None,
        }

    def document(self, *, version: str, routes: Sequence[BaseRoute]) -> Schema:
        """The OpenAPI 3.1 document of these routes."""
        document: Schema = get_openapi(
            title="Polyfleet",
            version=version,
            description="Run containers on a fleet of devices, in the variant each one needs.",
            routes=routes,
        )
        document["components"] = {"schemas": merge_components((self._requests, self._answers))}
        return document

    def _content(self, kind: object) -> dict[str, Any]:
        if kind is None:
            return {}
        several = typing.get_args(kind) if isinstance(kind, types.UnionType) else ()
        schema: Schema = (
            {"anyOf": [self._answers.refer(each) for each in several]}
            if several
            else self._answers.refer(kind)
        )
        return {"content": {"application/json": {"schema": schema}}}

    def _problem_content(self) -> dict[str, Any]:
        return {"content": {MEDIA_TYPE: {"schema": self._problem}}}

    def _parameters(self, query: type) -> list[Schema]:
        hints = typing.get_type_hints(query)
        return [
            self._parameter(json_name(each.name), hints[each.name], required=_is_required(each))
            for each in fields(query)
        ]

    def _parameter(self, name: str, hint: object, *, required: bool) -> Schema:
        inner = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        is_list = typing.get_origin(hint) is tuple
        schema = self._requests.refer(inner[0] if inner and not is_list else hint)
        description, refinement = _PARAMETERS.get(name, (f"Only those whose {name} is this.", {}))
        return {
            "name": name,
            "in": "query",
            "required": required,
            "description": description,
            "schema": {**schema, **refinement},
        }


def _is_required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING
