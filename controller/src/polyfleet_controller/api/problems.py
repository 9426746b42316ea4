"""Errors as RFC 9457 has them: `application/problem+json` with a code that stays what it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from fastapi import Response

from polyfleet_controller.services.image_views import ImageCheck
from polyfleet_shared.codec import encode
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import Problem, dump_json

MEDIA_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:polyfleet:problem:"


class ProblemCode(StrEnum):
    """What went wrong, for programs. A code never changes its meaning."""

    ROUTE_NOT_FOUND = "route_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    DEVICE_NOT_FOUND = "device_not_found"
    WORKLOAD_NOT_FOUND = "workload_not_found"
    ROLLOUT_NOT_FOUND = "rollout_not_found"
    RELEASE_NOT_FOUND = "release_not_found"
    IMAGE_UNRESOLVED = "image_unresolved"
    DEVICES_UNCOVERED = "devices_uncovered"
    INVALID_PARAMETER = "invalid_parameter"
    INVALID_JSON = "invalid_json"
    INVALID_MANIFEST = "invalid_manifest"
    MARK_REFUSED = "mark_refused"
    MARK_CONFLICT = "mark_conflict"
    CONFLICT = "conflict"
    STEERING_REFUSED = "steering_refused"
    ROLLOUT_CONFLICT = "rollout_conflict"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    STORE_UNAVAILABLE = "store_unavailable"
    INTERNAL_ERROR = "internal_error"


STATUS: Final[dict[ProblemCode, HTTPStatus]] = {
    ProblemCode.ROUTE_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ProblemCode.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    ProblemCode.DEVICE_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ProblemCode.WORKLOAD_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ProblemCode.ROLLOUT_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ProblemCode.RELEASE_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ProblemCode.IMAGE_UNRESOLVED: HTTPStatus.UNPROCESSABLE_ENTITY,
    ProblemCode.DEVICES_UNCOVERED: HTTPStatus.CONFLICT,
    ProblemCode.INVALID_PARAMETER: HTTPStatus.BAD_REQUEST,
    ProblemCode.INVALID_JSON: HTTPStatus.BAD_REQUEST,
    ProblemCode.INVALID_MANIFEST: HTTPStatus.UNPROCESSABLE_ENTITY,
    ProblemCode.MARK_REFUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
    ProblemCode.MARK_CONFLICT: HTTPStatus.CONFLICT,
    ProblemCode.CONFLICT: HTTPStatus.CONFLICT,
    ProblemCode.STEERING_REFUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
    ProblemCode.ROLLOUT_CONFLICT: HTTPStatus.CONFLICT,
    ProblemCode.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ProblemCode.STORE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ProblemCode.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}

TITLES: Final[dict[ProblemCode, str]] = {
    ProblemCode.ROUTE_NOT_FOUND: "There is nothing at this path",
    ProblemCode.METHOD_NOT_ALLOWED: "This path does not take this method",
    ProblemCode.DEVICE_NOT_FOUND: "There is no such device",
    ProblemCode.WORKLOAD_NOT_FOUND: "There is no such workload",
    ProblemCode.ROLLOUT_NOT_FOUND: "There is no such rollout",
    ProblemCode.RELEASE_NOT_FOUND: "There is no such release",
    ProblemCode.IMAGE_UNRESOLVED: "The registry does not give this image",
    ProblemCode.DEVICES_UNCOVERED: "The image has nothing for some of the devices",
    ProblemCode.INVALID_PARAMETER: "A parameter cannot be read",
    ProblemCode.INVALID_JSON: "The body is no JSON",
    ProblemCode.INVALID_MANIFEST: "The manifest cannot be taken",
    ProblemCode.MARK_REFUSED: "The device cannot be marked so",
    ProblemCode.MARK_CONFLICT: "The device is marked otherwise, and the change does not overwrite",
    ProblemCode.CONFLICT: "The workload is in another state than the request was made for",
    ProblemCode.STEERING_REFUSED: "What is wanted of the rollout cannot be read",
    ProblemCode.ROLLOUT_CONFLICT: "The rollout cannot be steered so, as it is now",
    ProblemCode.BODY_TOO_LARGE: "The body is too large",
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: "The body is of another type than application/json",
    ProblemCode.STORE_UNAVAILABLE: "The controller's store does not answer",
    ProblemCode.INTERNAL_ERROR: "The controller failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDetails:
    """RFC 9457, section 3. `problems` lists everything that is wrong, each with its path in the document.

    `preflight` comes with `devices_uncovered`: what the image means for each kind of device. With `conflict`,
    `problems` lists what was changed meanwhile, as far as that is known, and `resource_version` is the one
    that the workload has.
    """

    type: str
    title: str
    status: int
    detail: str
    code: ProblemCode
    problems: tuple[Problem, ...]
    preflight: ImageCheck | None
    resource_version: str | None


class ApiError(PolyfleetError):
    """A request that is not served; `problems` says what is wrong in it, as far as that has places."""

    def __init__(
        self,
        code: ProblemCode,
        detail: str,
        problems: tuple[Problem, ...] = (),
        *,
        preflight: ImageCheck | None = None,
        resource_version: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.problems = problems
        self.preflight = preflight
        self.resource_version = resource_version


def answer_problem(error: ApiError, headers: Mapping[str, str] | None = None) -> Response:
    """The response for an error."""
    details = describe_problem(error)
    return Response(dump_json(encode(details)), details.status, headers, MEDIA_TYPE)


def describe_problem(error: ApiError) -> ProblemDetails:
    """What the response for an error tells."""
    return ProblemDetails(
        type=_TYPE + error.code,
        title=TITLES[error.code],
        status=int(STATUS[error.code]),
        detail=error.detail,
        code=error.code,
        problems=error.problems,
        preflight=error.preflight,
        resource_version=error.resource_version,
    )
