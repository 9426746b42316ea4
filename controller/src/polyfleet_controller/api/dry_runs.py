"""`/v1/dry-runs`: several manifests, each tried on the state that those before it would leave."""

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Response

from polyfleet_controller.api.answers import answer_view
from polyfleet_controller.api.problems import ApiError, ProblemCode, ProblemDetails, describe_problem
from polyfleet_controller.api.queries import NoQuery
from polyfleet_controller.api.refusals import explain_refusal
from polyfleet_controller.api.requests import parse_body, query_reader, read_body
from polyfleet_controller.api.routes import Surroundings
from polyfleet_controller.api.schema import Schema
from polyfleet_controller.services.views import DryRun
from polyfleet_shared.json_text import JsonValue, Problem

MAX_MANIFESTS: Final = 100

# What is in a manifest, each item's problem tells.
_BODY: Final[Schema] = {
    "type": "object",
    "properties": {
        "manifests": {
            "type": "array",
            "items": {},
            "minItems": 1,
            "maxItems": MAX_MANIFESTS,
            "description": "Each of another workload, of a kind that a workload is put as.",
        }
    },
    "required": ["manifests"],
    "additionalProperties": False,
}
_THREADS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunItem:
    """What a manifest would change, or why it would be refused."""

    dry_run: DryRun | None
    problem: ProblemDetails | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRuns:
    """In the order of the manifests."""

    items: tuple[DryRunItem, ...]


def make_dry_run_router(around: Surroundings) -> APIRouter:
    """The route of dry runs of several manifests; that of one is its workload's."""
    router = APIRouter(prefix="/v1/dry-runs", tags=["workloads"])
    workloads, clock = around.services.workloads, around.clock
    trying = CapacityLimiter(_THREADS)

    def try_out(body: bytes) -> Response:
        verdicts = workloads.try_out_all(_read_manifests(body), now=clock())
        items = tuple(
            DryRunItem(dry_run=verdict, problem=None)
            if isinstance(verdict, DryRun)
            else DryRunItem(dry_run=None, problem=describe_problem(explain_refusal(verdict)))
            for verdict in verdicts
        )
        return answer_view(DryRuns(items=items))

    @router.post(
        "",
        summary="Say what several manifests would change, applied in turn; nothing is changed",
        dependencies=[Depends(query_reader(NoQuery))],
        **around.contract.operation(
            answers={HTTPStatus.OK: DryRuns},
            other_body=_BODY,
            problems=(
                ProblemCode.INVALID_JSON,
                ProblemCode.INVALID_MANIFEST,
                ProblemCode.BODY_TOO_LARGE,
                ProblemCode.UNSUPPORTED_MEDIA_TYPE,
            ),
        ),
    )
    async def try_out_manifests(body: Annotated[bytes, Depends(read_body)]) -> Response:
        return await run_sync(partial(try_out, body), limiter=trying)

    return router


def _read_manifests(body: bytes) -> list[JsonValue]:
    document = parse_body(body)
    manifests = document.get("manifests") if isinstance(document, dict) else None
    problems = [
        Problem(path=key[:80], message="unknown field")
        for key in (document if isinstance(document, dict) else ())
        if key != "manifests"
    ]
    if not isinstance(manifests, list) or not 1 <= len(manifests) <= MAX_MANIFESTS:
        problems.append(
            Problem(path="manifests", message=f"expected a list of 1 to {MAX_MANIFESTS} manifests")
        )
    if problems or not isinstance(manifests, list):
        told = tuple(problems)
        raise ApiError(ProblemCode.INVALID_MANIFEST, "; ".join(map(str, told)), told)
    return manifests
