"""`/v1/rollouts`, and the rollouts of a workload."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, TypeAlias, TypeVar

from fastapi import APIRouter, Depends, Response

from polyfleet_controller.api.answers import answer_view
from polyfleet_controller.api.operators import read_operator
from polyfleet_controller.api.problems import ApiError, ProblemCode
from polyfleet_controller.api.queries import NoQuery, PageQuery
from polyfleet_controller.api.requests import parse_body, query_reader, read_body
from polyfleet_controller.api.routes import NameInPath, NumberInPath, Surroundings
from polyfleet_controller.domain.rollout.events import (
    Aborted,
    Approved,
    Paused,
    Resumed,
    Retried,
    RolledBack,
    Verb,
)
from polyfleet_controller.services.rollout_views import (
    Approval,
    PlatformSteering,
    RolloutDetail,
    RolloutView,
    Steering,
)
from polyfleet_controller.services.views import Page
from polyfleet_shared.codec import decode
from polyfleet_shared.json_text import DecodeError
from polyfleet_shared.platforms import Platform

T = TypeVar("T")

Handler: TypeAlias = Callable[..., Response]

_NOT_FOUND = (ProblemCode.WORKLOAD_NOT_FOUND, ProblemCode.ROLLOUT_NOT_FOUND)
_OF_WORKLOAD = "/v1/workloads/{namespace}/{name}"


def make_rollout_router(around: Surroundings) -> APIRouter:
    """The routes that show rollouts."""
    router = APIRouter(tags=["rollouts"])
    rollouts = around.services.rollouts
    operation = around.contract.operation

    @router.get(
        "/v1/rollouts",
        summary="List the rollouts in effect of all workloads, by namespace and name",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers={HTTPStatus.OK: Page[RolloutView]}),
    )
    def list_rollouts() -> Response:
        return answer_view(Page(items=rollouts.list_all(), next_cursor=None))

    @router.get(
        f"{_OF_WORKLOAD}/rollouts",
        summary="List a workload's rollouts, newest first",
        **operation(
            answers={HTTPStatus.OK: Page[RolloutView]},
            query=PageQuery,
            problems=(ProblemCode.WORKLOAD_NOT_FOUND,),
        ),
    )
    def list_workload_rollouts(
        namespace: NameInPath,
        name: NameInPath,
        query: Annotated[PageQuery, Depends(query_reader(PageQuery))],
    ) -> Response:
        return answer_view(rollouts.list(namespace, name, query.page))

    @router.get(
        f"{_OF_WORKLOAD}/rollouts/{{number}}",
        summary="Show a rollout, with its history",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers={HTTPStatus.OK: RolloutDetail}, problems=_NOT_FOUND),
    )
    def show_rollout(namespace: NameInPath, name: NameInPath, number: NumberInPath) -> Response:
        return answer_view(rollouts.show(namespace, name, int(number)))

    @router.get(
        f"{_OF_WORKLOAD}/rollout",
        summary="Show a workload's newest rollout, with its history",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers={HTTPStatus.OK: RolloutDetail}, problems=_NOT_FOUND),
    )
    def show_newest_rollout(namespace: NameInPath, name: NameInPath) -> Response:
        return answer_view(rollouts.show(namespace, name))

    return router


def make_steering_router(around: Surroundings) -> APIRouter:
    """The routes by which operators steer the rollout in effect."""
    router = APIRouter(prefix=f"{_OF_WORKLOAD}/rollout", tags=["rollouts"])

    def steer(namespace: str, name: str, number: int | None, verb: Verb) -> Response:
        detail = around.services.rollouts.steer(namespace, name, verb, number=number, now=around.clock())
        return answer_view(detail)

    def verb(path: str, body: type, summary: str) -> Callable[[Handler], Handler]:
        return router.post(
            path,
            summary=summary,
            dependencies=[Depends(query_reader(NoQuery))],
            **around.contract.operation(
                answers={HTTPStatus.OK: RolloutDetail},
                body=body,
                by_operator=True,
                problems=(
                    *_NOT_FOUND,
                    ProblemCode.ROLLOUT_CONFLICT,
                    ProblemCode.STEERING_REFUSED,
                    ProblemCode.INVALID_JSON,
                    ProblemCode.BODY_TOO_LARGE,
                    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
                ),
            ),
        )

    @verb("/pause", Steering, "Let nothing move until it is resumed")
    def pause_rollout(namespace: NameInPath, name: NameInPath, by: _Operator, body: _Body) -> Response:
        return steer(namespace, name, _read(Steering, body).number, Paused(by=by))

    @verb("/resume", Steering, "Go on, paused or halted; what has failed until now counts no more")
    def resume_rollout(namespace: NameInPath, name: NameInPath, by: _Operator, body: _Body) -> Response:
        return steer(namespace, name, _read(Steering, body).number, Resumed(by=by))

    @verb("/approve", Approval, "Let a wave begin that needs an approval")
    def approve_wave(namespace: NameInPath, name: NameInPath, by: _Operator, body: _Body) -> Response:
        approval = _read(Approval, body)
        return steer(namespace, name, approval.number, Approved(by=by, wave=approval.wave))

    @verb("/abort", Steering, "End it; every device stays where it is")
    def abort_rollout(namespace: NameInPath, name: NameInPath, by: _Operator, body: _Body) -> Response:
        return steer(namespace, name, _read(Steering, body).number, Aborted(by=by))

    @verb("/rollback", PlatformSteering, "Give devices back what their platform is proven on")
    def roll_back_rollout(namespace: NameInPath, name: NameInPath, by: _Operator, body: _Body) -> Response:
        wanted = _read(PlatformSteering, body)
        return steer(namespace, name, wanted.number, RolledBack(by=by, platforms=_choose(wanted.platforms)))

    @verb("/retry", PlatformSteering, "Give devices that failed the release once more")
    def retry_rollout(namespace: NameInPath, name: NameInPath, by: _Operator, body: _Body) -> Response:
        wanted = _read(PlatformSteering, body)
        return steer(namespace, name, wanted.number, Retried(by=by, platforms=_choose(wanted.platforms)))

    return router


_Operator = Annotated[str, Depends(read_operator)]
_Body = Annotated[bytes, Depends(read_body)]


def _choose(platforms: tuple[Platform, ...]) -> frozenset[Platform] | None:
    return frozenset(platforms) or None


def _read(kind: type[T], body: bytes) -> T:
    document = parse_body(body)
    try:
        return decode(kind, document)
    except DecodeError as error:
        detail = "; ".join(str(problem) for problem in error.problems)
        raise ApiError(ProblemCode.STEERING_REFUSED, detail, error.problems) from None
