"""`/v1/images`."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Response

from polyfleet_controller.api.answers import answer_view
from polyfleet_controller.api.problems import ProblemCode
from polyfleet_controller.api.queries import ImageQuery
from polyfleet_controller.api.requests import query_reader
from polyfleet_controller.api.routes import Surroundings
from polyfleet_controller.domain.selectors import Selector
from polyfleet_controller.services.image_views import ImageCheck

_PROBLEMS: Final = (ProblemCode.WORKLOAD_NOT_FOUND, ProblemCode.IMAGE_UNRESOLVED)

# As applying, a check may wait for a registry: it has threads of its own.
_CHECKING_THREADS: Final = 2


def make_image_router(around: Surroundings) -> APIRouter:
    """The routes of images, which the controller does not keep: a registry does."""
    router = APIRouter(prefix="/v1/images", tags=["images"])
    preflights = around.services.preflights
    operation, clock = around.contract.operation, around.clock
    checking = CapacityLimiter(_CHECKING_THREADS)

    def check(query: ImageQuery) -> Response:
        workload = query.workload
        return answer_view(
            preflights.check(
                query.reference,
                workload=None if workload is None else (workload.namespace, workload.name),
                selector=query.selector or Selector(),
                now=clock(),
            )
        )

    @router.get(
        "/check",
        summary="Tell which devices get which child of an image, and which get none; nothing is changed",
        **operation(answers={HTTPStatus.OK: ImageCheck}, query=ImageQuery, problems=_PROBLEMS),
    )
    async def check_image(query: Annotated[ImageQuery, Depends(query_reader(ImageQuery))]) -> Response:
        return await run_sync(partial(check, query), limiter=checking)

    return router
