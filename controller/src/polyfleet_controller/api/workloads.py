"""`/v1/workloads`."""

from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Response

from polyfleet_controller.api.answers import answer_view
from polyfleet_controller.api.operators import read_operator
from polyfleet_controller.api.problems import ProblemCode
from polyfleet_controller.api.queries import ApplyQuery, DeleteQuery, NoQuery, PageQuery
from polyfleet_controller.api.refusals import explain_refusal
from polyfleet_controller.api.requests import parse_body, query_reader, read_body
from polyfleet_controller.api.routes import NameInPath, NumberInPath, Surroundings
from polyfleet_controller.api.schema import Schema
from polyfleet_controller.domain.kubernetes.kinds import KINDS
from polyfleet_controller.domain.manifest import DEFAULT_NAMESPACE, KIND, WorkloadManifest
from polyfleet_controller.services.placement_reasons import DeviceReason, Why
from polyfleet_controller.services.views import (
    Applied,
    Change,
    DryRun,
    Page,
    ReleaseDetail,
    ReleaseView,
    WorkloadDetail,
    WorkloadView,
)
from polyfleet_controller.services.workloads import Workloads
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem

_NOT_FOUND = (ProblemCode.WORKLOAD_NOT_FOUND,)
_NO_RELEASE = (*_NOT_FOUND, ProblemCode.RELEASE_NOT_FOUND)
_REFUSED_BODY = (
    ProblemCode.INVALID_JSON,
    ProblemCode.BODY_TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    ProblemCode.INVALID_MANIFEST,
)

_FOREIGN: Final = [kind for kind in KINDS if kind != KIND]
# What is in it, problems tell: Kubernetes' own schemas allow more than is taken.
_KUBERNETES: Final[Schema] = {
    "type": "object",
    "description": "A Pod, Deployment or DaemonSet of Kubernetes, as it is.",
    "properties": {
        "apiVersion": {"enum": list[JsonValue](sorted({KINDS[kind] for kind in _FOREIGN}))},
        "kind": {"enum": list[JsonValue](_FOREIGN)},
        "metadata": {"type": "object"},
        "spec": {"type": "object"},
    },
    "required": ["apiVersion", "kind", "metadata", "spec"],
}

# Applying may wait for a registry. It has threads of its own, so that a registry that does not answer
# delays nobody who only reads.
_APPLYING_THREADS = 2


def make_workload_router(around: Surroundings) -> APIRouter:
    """The routes of workloads."""
    router = APIRouter(prefix="/v1/workloads", tags=["workloads"])
    workloads = around.services.workloads
    reasons = around.services.placement_reasons
    operation, clock = around.contract.operation, around.clock
    applying = CapacityLimiter(_APPLYING_THREADS)

    def apply(namespace: str, name: str, body: bytes, query: ApplyQuery, by: str) -> Response:
        document = parse_body(body)
        _check_place(document, namespace, name)
        return _apply(workloads, document, query, by, clock())

    @router.get(
        "",
        summary="List workloads, by namespace and name",
        **operation(answers={HTTPStatus.OK: Page[WorkloadView]}, query=PageQuery),
    )
    def list_workloads(query: Annotated[PageQuery, Depends(query_reader(PageQuery))]) -> Response:
        return answer_view(workloads.list(query.page))

    @router.put(
        "/{namespace}/{name}",
        summary="Create or change a workload; the same again changes nothing, unless its tag has moved",
        **operation(
            answers={HTTPStatus.OK: Applied | DryRun, HTTPStatus.CREATED: Applied},
            query=ApplyQuery,
            body=WorkloadManifest,
            other_body=_KUBERNETES,
            by_operator=True,
            problems=(*_REFUSED_BODY, ProblemCode.DEVICES_UNCOVERED, ProblemCode.CONFLICT),
        ),
    )
    async def apply_workload(
        namespace: NameInPath,
        name: NameInPath,
        query: Annotated[ApplyQuery, Depends(query_reader(ApplyQuery))],
        body: Annotated[bytes, Depends(read_body)],
        by: Annotated[str, Depends(read_operator)],
    ) -> Response:
        return await run_sync(partial(apply, namespace, name, body, query, by), limiter=applying)

    @router.get(
        "/{namespace}/{name}",
        summary="Show everything about a workload; its devices are a page",
        **operation(answers={HTTPStatus.OK: WorkloadDetail}, query=PageQuery, problems=_NOT_FOUND),
    )
    def show_workload(
        namespace: NameInPath,
        name: NameInPath,
        query: Annotated[PageQuery, Depends(query_reader(PageQuery))],
    ) -> Response:
        return answer_view(workloads.get(namespace, name, query.page))

    @router.delete(
        "/{namespace}/{name}",
        summary="Delete a workload: every device stops and removes it",
        **operation(
            answers={HTTPStatus.NO_CONTENT: None},
            query=DeleteQuery,
            problems=(*_NOT_FOUND, ProblemCode.CONFLICT),
        ),
    )
    def delete_workload(
        namespace: NameInPath,
        name: NameInPath,
        query: Annotated[DeleteQuery, Depends(query_reader(DeleteQuery))],
    ) -> Response:
        workloads.delete(namespace, name, version=query.resource_version, now=clock())
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.get(
        "/{namespace}/{name}/why",
        summary="Say on which devices a workload runs, and which filter refuses the others",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers={HTTPStatus.OK: Why}, problems=_NOT_FOUND),
    )
    def explain_workload(namespace: NameInPath, name: NameInPath) -> Response:
        return answer_view(reasons.explain(namespace, name, now=clock()))

    @router.get(
        "/{namespace}/{name}/why/{device}",
        summary="Say why a workload runs on a device, or does not",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers={HTTPStatus.OK: DeviceReason}, problems=_NOT_FOUND),
    )
    def explain_device(namespace: NameInPath, name: NameInPath, device: NameInPath) -> Response:
        return answer_view(reasons.explain_device(namespace, name, device, now=clock()))

    return router


def make_release_router(around: Surroundings) -> APIRouter:
    """The routes of a workload's releases."""
    router = APIRouter(prefix="/v1/workloads", tags=["workloads"])
    releases, history = around.services.releases, around.services.release_history
    operation, clock = around.contract.operation, around.clock

    @router.get(
        "/{namespace}/{name}/releases",
        summary="List a workload's releases, newest first",
        **operation(answers={HTTPStatus.OK: Page[ReleaseView]}, query=PageQuery, problems=_NOT_FOUND),
    )
    def list_releases(
        namespace: NameInPath,
        name: NameInPath,
        query: Annotated[PageQuery, Depends(query_reader(PageQuery))],
    ) -> Response:
        return answer_view(releases.list(namespace, name, query.page))

    @router.get(
        "/{namespace}/{name}/releases/{revision}",
        summary="Show a release, with its manifest and the one before",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers={HTTPStatus.OK: ReleaseDetail}, problems=_NO_RELEASE),
    )
    def show_release(namespace: NameInPath, name: NameInPath, revision: NumberInPath) -> Response:
        return answer_view(history.show(namespace, name, int(revision)))

    @router.post(
        "/{namespace}/{name}/releases/{revision}/restore",
        summary="Make an earlier release the newest, with its images of then; no registry is asked",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers={HTTPStatus.OK: Applied}, by_operator=True, problems=_NO_RELEASE),
    )
    def restore_release(
        namespace: NameInPath,
        name: NameInPath,
        revision: NumberInPath,
        by: Annotated[str, Depends(read_operator)],
    ) -> Response:
        return answer_view(history.restore(namespace, name, int(revision), by=by, now=clock()))

    return router


def _apply(workloads: Workloads, document: JsonValue, query: ApplyQuery, by: str, now: datetime) -> Response:
    try:
        if query.dry_run:
            return answer_view(workloads.try_out(document, now=now))
        applied = workloads.apply(document, by=by, now=now)
    except DecodeError as error:
        raise explain_refusal(error) from None
    created = applied.change is Change.CREATED
    return answer_view(applied, HTTPStatus.CREATED if created else HTTPStatus.OK)


def _check_place(document: JsonValue, namespace: str, name: str) -> None:
    """Refuse a manifest of another workload than the path names; one without a name is refused later."""
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict):
        return
    problems = tuple(
        Problem(path=f"metadata.{key}", message=f"the path names {expected}, the manifest {given!r:.80}")
        for key, given, expected in (
            ("name", metadata.get("name", name), name),
            ("namespace", metadata.get("namespace", DEFAULT_NAMESPACE), namespace),
        )
        if given != expected
    )
    if problems:
        raise explain_refusal(DecodeError(problems))
