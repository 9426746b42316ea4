"""The end of what a container logged."""

from typing import Final

from polyfleet_agent.adapters.podman_api import PodmanApi
from polyfleet_agent.ports import RuntimeFailure

TAIL_BYTES: Final = 4096

_LINES: Final = 50
_LONGEST_ANSWER: Final = 1 << 20  # lines may be long
_FRAME_HEADER: Final = 8  # the stream's number, three times nought, the length


def read_tail(api: PodmanApi, container_id: str, since: float | None) -> bytes | None:
    """The last `TAIL_BYTES` of both streams, since a moment (seconds of the epoch); None if unreadable.

    A log driver may keep nothing, or elsewhere: that is no reason to fail a listing.
    """
    parameters: dict[str, str | int] = {"stdout": "true", "stderr": "true"}
    if since is not None:
        parameters["since"] = f"{since:.6f}"
    path = f"/containers/{container_id}/logs"
    try:
        answer = api.read(path, {**parameters, "tail": _LINES}, limit=_LONGEST_ANSWER)
        if answer is not None and not answer.content:
            # Podman 4 finds no tail where there is no complete line.
            answer = api.read(path, parameters, limit=_LONGEST_ANSWER)
    except RuntimeFailure:
        return None
    return None if answer is None else join_frames(answer.content)[-TAIL_BYTES:]


def join_frames(stream: bytes) -> bytes:
    """The contents of a multiplexed stream (Docker Engine API, "Attach to a container"), perhaps cut off."""
    contents = bytearray()
    position = 0
    while position + _FRAME_HEADER <= len(stream):
        start = position + _FRAME_HEADER
        position = start + int.from_bytes(stream[start - 4 : start], "big")
        contents += stream[start:position]
    return bytes(contents)
