"""`/v1/device-labels` and `/v1/device-taints`: several devices marked at once."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Depends, Response

from polyfleet_controller.api.answers import answer_view
from polyfleet_controller.api.problems import ProblemCode
from polyfleet_controller.api.queries import NoQuery
from polyfleet_controller.api.requests import parse_body, query_reader, read_body
from polyfleet_controller.api.routes import Surroundings
from polyfleet_controller.domain.device_labels import LabelChange
from polyfleet_controller.domain.manifest import Name
from polyfleet_controller.domain.marks import MarkRefusedError
from polyfleet_controller.domain.taint_changes import TaintChange
from polyfleet_controller.services.views import Marked
from polyfleet_shared.codec import decode
from polyfleet_shared.json_text import DecodeError, Problem

T = TypeVar("T")

MAX_DEVICES: Final = 500

_PROBLEMS: Final = (
    ProblemCode.INVALID_JSON,
    ProblemCode.MARK_REFUSED,
    ProblemCode.BODY_TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
)


def _check_devices(devices: tuple[Name, ...]) -> None:
    if not 1 <= len(devices) <= MAX_DEVICES:
        message = f"expected the names of 1 to {MAX_DEVICES} devices, got {len(devices)}"
        raise DecodeError((Problem(path="devices", message=message),))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelDevices:
    """Devices by name, and how the labels of each change."""

    devices: tuple[Name, ...]
    change: LabelChange

    def __post_init__(self) -> None:
        _check_devices(self.devices)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaintDevices:
    """Devices by name, and how the taints of each change."""

    devices: tuple[Name, ...]
    change: TaintChange

    def __post_init__(self) -> None:
        _check_devices(self.devices)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedDevices:
    """Each device once, in the order in which they were named."""

    items: tuple[Marked, ...]


def make_device_marks_router(around: Surroundings) -> APIRouter:
    """The routes that mark several devices, in one transaction each."""
    router = APIRouter(prefix="/v1", tags=["devices"])
    marks, operation, clock = around.services.marks, around.contract.operation, around.clock
    answers: dict[HTTPStatus, object] = {HTTPStatus.OK: MarkedDevices}

    @router.patch(
        "/device-labels",
        summary="Set and remove labels of several devices; of each all, or none",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers=answers, body=LabelDevices, problems=_PROBLEMS),
    )
    def label_devices(body: Annotated[bytes, Depends(read_body)]) -> Response:
        asked = _read(LabelDevices, body)
        return answer_view(MarkedDevices(items=marks.label_all(asked.devices, asked.change, now=clock())))

    @router.patch(
        "/device-taints",
        summary="Set and remove taints of several devices; of each all, or none",
        dependencies=[Depends(query_reader(NoQuery))],
        **operation(answers=answers, body=TaintDevices, problems=_PROBLEMS),
    )
    def taint_devices(body: Annotated[bytes, Depends(read_body)]) -> Response:
        asked = _read(TaintDevices, body)
        return answer_view(MarkedDevices(items=marks.taint_all(asked.devices, asked.change, now=clock())))

    return router


def _read(kind: type[T], body: bytes) -> T:
    document = parse_body(body)
    try:
        return decode(kind, document)
    except DecodeError as error:
        raise MarkRefusedError(error.problems) from None
