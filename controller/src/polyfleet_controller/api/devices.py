"""`/v1/devices`."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from polyfleet_controller.api.answers import answer_view
from polyfleet_controller.api.problems import ProblemCode
from polyfleet_controller.api.queries import DeviceQuery, NoQuery, PageQuery
from polyfleet_controller.api.requests import query_reader
from polyfleet_controller.api.routes import NameInPath, Surroundings
from polyfleet_controller.services.views import DeviceDetail, DeviceView, EventView, Page

_NOT_FOUND = (ProblemCode.DEVICE_NOT_FOUND,)


def make_device_router(around: Surroundings) -> APIRouter:
    """The routes of devices and of what happened on them."""
    router = APIRouter(prefix="/v1/devices", tags=["devices"])
    devices, events = around.services.devices, around.services.events
    operation, clock = around.contract.operation, around.clock

    @router.get(
        "",
        summary="List devices, by name",
        **operation(answers={HTTPStatus.OK: Page[DeviceView]}, query=DeviceQuery),
    )
    def list_devices(query: Annotated[DeviceQuery, Depends(query_reader(DeviceQuery))]) -> Response:
        return answer_view(devices.list(query.page, query.filters))

    @router.get(
        "/{name}",
        summary="Show everything about a device",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers={HTTPStatus.OK: DeviceDetail}, problems=_NOT_FOUND),
    )
    def show_device(name: NameInPath) -> Response:
        return answer_view(devices.show(name))

    @router.delete(
        "/{name}",
        summary="Forget a device; if it comes back, it waits for an operator",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers={HTTPStatus.NO_CONTENT: None}, problems=_NOT_FOUND),
    )
    def delete_device(name: NameInPath) -> Response:
        devices.delete(name, now=clock())
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.post(
        "/{name}/admit",
        summary="Let a pending device have work; no change if it is admitted",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers={HTTPStatus.OK: DeviceView}, problems=_NOT_FOUND),
    )
    def admit_device(name: NameInPath) -> Response:
        return answer_view(devices.admit(name, now=clock()))

    @router.post(
        "/{name}/resolve",
        summary="Say that two machines no longer share this name; no change if none did",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers={HTTPStatus.OK: DeviceView}, problems=_NOT_FOUND),
    )
    def resolve_device(name: NameInPath) -> Response:
        return answer_view(devices.resolve_duplicate(name, now=clock()))

    @router.get(
        "/{name}/events",
        summary="List what happened on a device, newest first",
        **operation(answers={HTTPStatus.OK: Page[EventView]}, query=PageQuery, problems=_NOT_FOUND),
    )
    def list_device_events(
        name: NameInPath, query: Annotated[PageQuery, Depends(query_reader(PageQuery))]
    ) -> Response:
        return answer_view(events.list(name, query.page))

    return router
