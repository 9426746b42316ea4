"""What goes out: views through the codec, nothing else."""

from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Response

from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import dump_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The controller's version, the wire version that it speaks with devices, and the API's."""

    controller: str
    wire: int
    api: str


def answer_view(view: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """The response for a view, a dataclass."""
    return Response(dump_json(encode(view)), status, media_type="application/json")
