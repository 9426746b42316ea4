"""`/v1/health`, `/v1/version` and the API's own description."""

from http import HTTPStatus

from fastapi import APIRouter, Depends, Response

import polyfleet_controller
from polyfleet_controller.api.answers import Version, answer_view
from polyfleet_controller.api.queries import NoQuery
from polyfleet_controller.api.requests import query_reader
from polyfleet_controller.api.routes import Surroundings
from polyfleet_controller.services.health import Health
from polyfleet_shared.topics import WIRE_VERSION

API = "v1"


def make_status_router(around: Surroundings) -> APIRouter:
    """The routes of the controller itself."""
    router = APIRouter(prefix="/v1", tags=["controller"], dependencies=[Depends(query_reader(NoQuery))])
    operation = around.contract.operation

    @router.get(
        "/health",
        summary="How the controller and what it stands on are",
        **operation(answers={HTTPStatus.OK: Health, HTTPStatus.SERVICE_UNAVAILABLE: Health}),
    )
    def show_health() -> Response:
        health = around.services.health.check()
        return answer_view(health, HTTPStatus.OK if health.healthy else HTTPStatus.SERVICE_UNAVAILABLE)

    @router.get("/version", summary="Versions", **operation(answers={HTTPStatus.OK: Version}))
    async def show_version() -> Response:
        return answer_view(Version(controller=polyfleet_controller.__version__, wire=WIRE_VERSION, api=API))

    return router
