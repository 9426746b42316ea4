"""Every error that can come of a request, as the problem that is answered."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, TypeAlias, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from polyfleet_controller.api.contract import DOCUMENT_PATH
from polyfleet_controller.api.methods import Methods
from polyfleet_controller.api.problems import ApiError, ProblemCode, answer_problem
from polyfleet_controller.api.refusals import explain_refusal
from polyfleet_controller.domain.marks import MarkConflictError, MarkRefusedError
from polyfleet_controller.services.errors import (
    ConflictError,
    DevicesUncoveredError,
    InvalidPageError,
    NotFoundError,
    NotSteerableError,
)
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_controller.store.errors import StoreError
from polyfleet_shared.json_text import Problem
from polyfleet_shared.names import InvalidNameError
from polyfleet_shared.reasons import explain

E = TypeVar("E", bound=Exception)

# The parts of paths that are numbers.
_NUMBERS: Final = frozenset({"number", "revision"})

Handler: TypeAlias = Callable[[Request, Exception], Awaitable[Response]]


async def _handle_api_error(_request: Request, error: Exception) -> Response:
    return answer_problem(_as(ApiError, error))


async def _handle_not_found(_request: Request, error: Exception) -> Response:
    missing = _as(NotFoundError, error)
    return answer_problem(ApiError(_NOT_FOUND_CODES[missing.kind], str(missing)))


async def _handle_uncovered(_request: Request, error: Exception) -> Response:
    return answer_problem(explain_refusal(_as(DevicesUncoveredError, error)))


async def _handle_conflict(_request: Request, error: Exception) -> Response:
    return answer_problem(explain_refusal(_as(ConflictError, error)))


async def _handle_not_steerable(_request: Request, error: Exception) -> Response:
    return answer_problem(ApiError(ProblemCode.ROLLOUT_CONFLICT, str(_as(NotSteerableError, error))))


async def _handle_registry_failure(_request: Request, error: Exception) -> Response:
    failure = _as(RegistryFailure, error)
    detail = f"{failure.reason}: {failure.message}. {explain(failure.reason).next_step}"
    return answer_problem(ApiError(ProblemCode.IMAGE_UNRESOLVED, detail))


async def _handle_mark_refusal(_request: Request, error: Exception) -> Response:
    refusal = _as(MarkRefusedError, error)
    conflicts = isinstance(refusal, MarkConflictError)
    code = ProblemCode.MARK_CONFLICT if conflicts else ProblemCode.MARK_REFUSED
    return answer_problem(ApiError(code, str(refusal), refusal.problems))


async def _handle_page_error(_request: Request, error: Exception) -> Response:
    problems = (Problem(path="cursor", message=str(error)),)
    return answer_problem(ApiError(ProblemCode.INVALID_PARAMETER, str(error), problems))


async def _handle_store_error(_request: Request, error: Exception) -> Response:
    return answer_problem(ApiError(ProblemCode.STORE_UNAVAILABLE, str(error)))


async def _handle_path_error(_request: Request, error: Exception) -> Response:
    """FastAPI itself reads only the names and numbers in a path."""
    problems = tuple(
        Problem(path=place, message=_explain_part(place, str(found["input"])))
        for found in _as(RequestValidationError, error).errors()
        for place in (str(found["loc"][-1]),)
    )
    detail = "; ".join(str(problem) for problem in problems)
    return answer_problem(ApiError(ProblemCode.INVALID_PARAMETER, detail, problems))


def _explain_part(place: str, given: str) -> str:
    if place in _NUMBERS:
        return f"expected a whole number from 1, got {given!r:.80}"
    return str(InvalidNameError("name", given))


def make_routing_handler(methods: Methods) -> Handler:
    """The handler of paths that do not exist, and of methods that a path does not take."""

    async def handle(request: Request, error: Exception) -> Response:
        shown = f"{request.method} {request.url.path}"[:200]
        if _as(HTTPException, error).status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            detail = f"{shown}: {DOCUMENT_PATH} lists what there is"
            return answer_problem(ApiError(ProblemCode.ROUTE_NOT_FOUND, detail))
        allowed = ", ".join(methods.of(request.url.path)) or "GET"
        problem = ApiError(ProblemCode.METHOD_NOT_ALLOWED, f"{shown}: this path takes {allowed}")
        return answer_problem(problem, {"allow": allowed})

    return handle


async def _handle_failure(_request: Request, _error: Exception) -> Response:
    """The server logs the exception with its traceback; the client learns nothing of our insides."""
    return answer_problem(ApiError(ProblemCode.INTERNAL_ERROR, "the controller's log says what happened"))


def _as(kind: type[E], error: Exception) -> E:
    if not isinstance(error, kind):
        raise TypeError(f"{type(error).__name__} came to the handler of {kind.__name__}")
    return error


_NOT_FOUND_CODES: Final = {
    "device": ProblemCode.DEVICE_NOT_FOUND,
    "workload": ProblemCode.WORKLOAD_NOT_FOUND,
    "rollout": ProblemCode.ROLLOUT_NOT_FOUND,
    "rollout in effect": ProblemCode.ROLLOUT_NOT_FOUND,
    "release": ProblemCode.RELEASE_NOT_FOUND,
}
HANDLERS: Final[Mapping[type[Exception], Handler]] = {
    ApiError: _handle_api_error,
    NotFoundError: _handle_not_found,
    MarkRefusedError: _handle_mark_refusal,
    InvalidPageError: _handle_page_error,
    DevicesUncoveredError: _handle_uncovered,
    ConflictError: _handle_conflict,
    NotSteerableError: _handle_not_steerable,
    RegistryFailure: _handle_registry_failure,
    StoreError: _handle_store_error,
    RequestValidationError: _handle_path_error,
    Exception: _handle_failure,
}
