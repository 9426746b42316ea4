"""The desired document: all that one device shall run.

It is read workload by workload: one that this agent cannot read, or that requires what this agent lacks, is
set apart with its reason and delays none of the others.
"""

import hashlib
import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from polyfleet_shared.codec import decode, encode
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem, describe, dump_json
from polyfleet_shared.messages import DocumentVersion
from polyfleet_shared.names import is_name
from polyfleet_shared.reasons import Reason
from polyfleet_shared.topics import Channel
from polyfleet_shared.wire import seal, unseal
from polyfleet_shared.workloads import DesiredWorkload, HeldWorkload

_CONTENT: Final = ("workloads", "held")
_MAX_MESSAGE: Final = 1000
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredDocument:
    """`held` comes from the controller and, for what this agent cannot act on, from reading the document."""

    version: DocumentVersion
    workloads: tuple[DesiredWorkload, ...] = ()
    held: tuple[HeldWorkload, ...] = ()

    @property
    def uids(self) -> frozenset[str]:
        """Every workload that is meant for this device, whether it can be acted on or not."""
        return frozenset(item.uid for item in self.workloads) | frozenset(item.uid for item in self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    document: DocumentVersion


def write_desired(
    *, epoch: int, generation: int, workloads: tuple[DesiredWorkload, ...], held: tuple[HeldWorkload, ...]
) -> bytes:
    """The payload of a desired document.

    Raises:
        OversizedMessageError: over the bound of the channel.
    """
    content = _content(workloads, held)
    version = DocumentVersion(epoch=epoch, generation=generation, digest=_digest(content))
    return seal(Channel.DESIRED, {**encode(_Envelope(document=version)), **content})


def digest_desired(workloads: tuple[DesiredWorkload, ...], held: tuple[HeldWorkload, ...]) -> str:
    """The digest that a document of this content carries, whatever its generation."""
    return _digest(_content(workloads, held))


def write_desired_content(workloads: tuple[DesiredWorkload, ...], held: tuple[HeldWorkload, ...]) -> bytes:
    """What a document holds apart from its version, as the JSON text that the digest is of."""
    return dump_json(_content(workloads, held))


def digest_desired_content(text: bytes) -> str:
    """The digest of what `write_desired_content` wrote."""
    return "sha256:" + hashlib.sha256(text).hexdigest()


def read_desired(payload: bytes, *, features: AbstractSet[str]) -> DesiredDocument:
    """Read a desired document for an agent that has `features`.

    Raises:
        DecodeError: the document as a whole is unreadable: no version, no `workloads` list, content that
            does not match its digest, or an entry without so much as a uid, a namespace and a name.
    """
    document = unseal(Channel.DESIRED, payload)
    content: dict[str, JsonValue] = {key: document.pop(key) for key in _CONTENT if key in document}
    version = decode(_Envelope, document).document
    entries = content.get("workloads")
    if not isinstance(entries, list):
        raise _problem("workloads", "expected a list; only an explicit empty list stops everything")
    _check_digest(content, version.digest)
    held_entries = content.get("held", [])
    if not isinstance(held_entries, list):
        raise _problem("held", f"expected a list, got {describe(held_entries)}")
    read = [
        *(_read_held(entry, f"held[{position}]") for position, entry in enumerate(held_entries)),
        *(
            _read_workload(entry, f"workloads[{position}]", features)
            for position, entry in enumerate(entries)
        ),
    ]
    result = DesiredDocument(
        version=version,
        workloads=tuple(item for item in read if isinstance(item, DesiredWorkload)),
        held=tuple(item for item in read if isinstance(item, HeldWorkload)),
    )
    if len(result.uids) != len(result.workloads) + len(result.held):
        raise _problem("workloads", "two entries have the same uid")
    return result


def _read_held(entry: JsonValue, path: str) -> HeldWorkload:
    """Keep an entry even if its reason is newer than this agent."""
    if not isinstance(entry, dict):
        raise _problem(path, "expected an object")
    try:
        return decode(HeldWorkload, entry)
    except DecodeError as error:
        return _hold(entry, path, Reason.INVALID_DOCUMENT, str(error.under(path)))


def _read_workload(entry: JsonValue, path: str, features: AbstractSet[str]) -> DesiredWorkload | HeldWorkload:
    if not isinstance(entry, dict):
        raise _problem(path, "expected an object")
    missing = _missing_features(entry, features)
    if missing:
        shown = ", ".join(json.dumps(feature[:_SHOWN]) for feature in missing)
        return _hold(entry, path, Reason.UNSUPPORTED_FEATURE, f"this agent lacks a feature: {shown}")
    try:
        return decode(DesiredWorkload, entry)
    except DecodeError as error:
        return _hold(entry, path, Reason.INVALID_DOCUMENT, str(error.under(path)))


def _missing_features(entry: dict[str, JsonValue], features: AbstractSet[str]) -> list[str]:
    required = entry.get("requires", [])
    if not isinstance(required, list):
        return []  # the strict reading names the wrong type
    return sorted({feature for feature in required if isinstance(feature, str)} - set(features))


def _hold(entry: dict[str, JsonValue], path: str, reason: Reason, message: str) -> HeldWorkload:
    names = {key: entry.get(key) for key in ("uid", "namespace", "name")}
    for key, name in names.items():
        if not isinstance(name, str) or not is_name(name):
            raise _problem(f"{path}.{key}", f"expected a name, got {describe(name)}")
    return decode(HeldWorkload, {**names, "reason": reason.value, "message": message[:_MAX_MESSAGE]})


def _content(workloads: tuple[DesiredWorkload, ...], held: tuple[HeldWorkload, ...]) -> dict[str, JsonValue]:
    return {
        "workloads": [encode(item, omit_defaults=True) for item in workloads],
        "held": [encode(item, omit_defaults=True) for item in held],
    }


def _check_digest(content: dict[str, JsonValue], promised: str) -> None:
    try:
        digest = _digest(content)
    except (ValueError, RecursionError):  # half a surrogate pair; nested to the parser's very limit
        raise _problem("", "the content has no digest") from None
    if digest != promised:
        raise _problem("document.digest", "the content is not the one that the digest names")


def _digest(content: dict[str, JsonValue]) -> str:
    return digest_desired_content(dump_json(content))


def _problem(path: str, message: str) -> DecodeError:
    return DecodeError((Problem(path=path, message=message),))
