"""The API as one ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

import polyfleet_controller
from polyfleet_controller.api.contract import DOCUMENT_PATH, Contract
from polyfleet_controller.api.device_marks import make_device_marks_router
from polyfleet_controller.api.devices import make_device_router
from polyfleet_controller.api.dry_runs import make_dry_run_router
from polyfleet_controller.api.handlers import HANDLERS, make_routing_handler
from polyfleet_controller.api.images import make_image_router
from polyfleet_controller.api.methods import Methods
from polyfleet_controller.api.queries import NoQuery
from polyfleet_controller.api.requests import query_reader
from polyfleet_controller.api.rollouts import make_rollout_router, make_steering_router
from polyfleet_controller.api.routes import Clock, Services, Surroundings
from polyfleet_controller.api.schema import Schema
from polyfleet_controller.api.status import make_status_router
from polyfleet_controller.api.workload_schema import SCHEMA_PATH, describe_workload
from polyfleet_controller.api.workloads import make_release_router, make_workload_router
from polyfleet_shared.json_text import dump_json

# A request is a short query: more threads than cores only take turns at one store (design: traps).
_THREADS: Final = 4


def _now() -> datetime:
    return datetime.now(UTC)


def create_app(services: Services, *, clock: Clock = _now) -> FastAPI:
    """The application; it starts and stops nothing itself."""
    app = FastAPI(
        openapi_url=None,  # ours is below: the schemas come from the dataclasses
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        lifespan=_bound_threads,
    )
    contract = Contract()
    around = Surroundings(services=services, contract=contract, clock=clock)
    for make_router in (
        make_status_router,
        make_device_router,
        make_device_marks_router,
        make_workload_router,
        make_release_router,
        make_dry_run_router,
        make_rollout_router,
        make_steering_router,
        make_image_router,
    ):
        app.include_router(make_router(around))
    document = contract.document(version=polyfleet_controller.__version__, routes=app.routes)
    _serve_document(app, DOCUMENT_PATH, document, "application/json")
    _serve_document(app, SCHEMA_PATH, describe_workload(), "application/schema+json")
    app.add_exception_handler(HTTPException, make_routing_handler(Methods(document["paths"])))
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    return app


@asynccontextmanager
async def _bound_threads(_app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = _THREADS
    yield


def _operation_id(route: APIRoute) -> str:
    return route.name


def _serve_document(app: FastAPI, path: str, document: Schema, media_type: str) -> None:
    content = dump_json(document)

    @app.get(path, include_in_schema=False, dependencies=[Depends(query_reader(NoQuery))])
    async def show_document() -> Response:
        return Response(content, media_type=media_type)
