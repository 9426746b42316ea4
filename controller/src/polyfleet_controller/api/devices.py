"""`/v1/devices`."""

from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Response

from polyfleet_controller.api.answers import answer_view
from polyfleet_controller.api.problems import ProblemCode
from polyfleet_controller.api.queries import DeviceQuery, NoQuery, PageQuery
from polyfleet_controller.api.requests import parse_body, query_reader, read_body
from polyfleet_controller.api.routes import NameInPath, Surroundings
from polyfleet_controller.domain.device_labels import LabelChange
from polyfleet_controller.domain.marks import MarkRefusedError
from polyfleet_controller.domain.taint_changes import TaintChange
from polyfleet_controller.services.views import DeviceDetail, DeviceView, EventView, Page
from polyfleet_shared.codec import decode
from polyfleet_shared.json_text import DecodeError

T = TypeVar("T")

_NOT_FOUND = (ProblemCode.DEVICE_NOT_FOUND,)
_REFUSED_MARK = (
    *_NOT_FOUND,
    ProblemCode.INVALID_JSON,
    ProblemCode.MARK_CONFLICT,
    ProblemCode.MARK_REFUSED,
    ProblemCode.BODY_TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
)


def make_device_router(around: Surroundings) -> APIRouter:
    """The routes of devices and of what happened on them."""
    router = APIRouter(prefix="/v1/devices", tags=["devices"])
    devices, events, marks = around.services.devices, around.services.events, around.services.marks
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

    @router.patch(
        "/{name}/labels",
        summary="Set and remove labels of a device, all or none; the same again changes nothing",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers={HTTPStatus.OK: DeviceView}, body=LabelChange, problems=_REFUSED_MARK),
    )
    def label_device(name: NameInPath, body: Annotated[bytes, Depends(read_body)]) -> Response:
        return answer_view(marks.label(name, _read_change(LabelChange, body), now=clock()))

    @router.patch(
        "/{name}/taints",
        summary="Set and remove taints of a device, all or none; the same again changes nothing",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers={HTTPStatus.OK: DeviceView}, body=TaintChange, problems=_REFUSED_MARK),
    )
    def taint_device(name: NameInPath, body: Annotated[bytes, Depends(read_body)]) -> Response:
        return answer_view(marks.taint(name, _read_change(TaintChange, body), now=clock()))

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


def _read_change(kind: type[T], body: bytes) -> T:
    document = parse_body(body)
    try:
        return decode(kind, document)
    except DecodeError as error:
        raise MarkRefusedError(error.problems) from None
