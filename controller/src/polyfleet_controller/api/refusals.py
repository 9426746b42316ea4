"""What use cases refuse, as problems."""

from typing import TypeAlias, assert_never

from polyfleet_controller.api.problems import ApiError, ProblemCode
from polyfleet_controller.services.errors import ConflictError, DevicesUncoveredError
from polyfleet_shared.json_text import DecodeError

Refusal: TypeAlias = DecodeError | ConflictError | DevicesUncoveredError


def explain_refusal(refusal: Refusal) -> ApiError:
    """Why a manifest is not taken."""
    match refusal:
        case DecodeError():
            detail = "; ".join(str(problem) for problem in refusal.problems)
            return ApiError(ProblemCode.INVALID_MANIFEST, detail, refusal.problems)
        case ConflictError():
            return ApiError(
                ProblemCode.CONFLICT,
                str(refusal),
                refusal.changes,
                resource_version=refusal.resource_version,
            )
        case DevicesUncoveredError():
            return ApiError(ProblemCode.DEVICES_UNCOVERED, str(refusal), preflight=refusal.check)
        case _:
            assert_never(refusal)
