"""Who asks for a change. Until operators have tokens it is a claim: whoever reaches the API may claim any."""

import re
from typing import Final

from fastapi import Request

from polyfleet_controller.api.problems import ApiError, ProblemCode
from polyfleet_controller.api.schema import Schema
from polyfleet_controller.services.advancing import UNNAMED
from polyfleet_shared.json_text import Problem

HEADER: Final = "Polyfleet-Operator"
_LENGTH: Final = 128
# Printable ASCII without spaces around it: it is shown on terminals, and headers carry nothing else for sure.
_CLAIM: Final = f"[!-~]([ -~]{{0,{_LENGTH - 2}}}[!-~])?"

PARAMETER: Final[Schema] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Who asks for it, for the history: a claim, which nothing proves.",
    "schema": {"type": "string", "pattern": f"^{_CLAIM}$", "examples": ["ada@laptop"]},
}


async def read_operator(request: Request) -> str:
    """A dependency that reads who asks.

    Raises:
        ApiError: it cannot be shown as it is.
    """
    claim = request.headers.get(HEADER)
    if claim is None:
        return UNNAMED
    if re.fullmatch(_CLAIM, claim) is None:
        message = f"expected 1 to {_LENGTH} printable ASCII characters, got {claim!r:.80}"
        problem = Problem(path=HEADER, message=message)
        raise ApiError(ProblemCode.INVALID_PARAMETER, str(problem), (problem,))
    return claim
