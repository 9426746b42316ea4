"""A desired document is read workload by workload, and only whole documents are acted on."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest

import strategies
from polyfleet_shared.desired import DesiredDocument, digest_desired, read_desired, write_desired
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.json_text import DecodeError, JsonValue, dump_json
from polyfleet_shared.messages import DocumentVersion
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason
from polyfleet_shared.wire import OversizedMessageError
from polyfleet_shared.workloads import ContainerSpec, DesiredWorkload, EnvironmentVariable, HeldWorkload

IMAGE: Final = PinnedImage(
    repository="registry.example.com/hello",
    index=f"sha256:{'a' * 64}",
    child=f"sha256:{'b' * 64}",
    config=f"sha256:{'c' * 64}",
    platform=Platform.parse("linux/arm64"),
    size=1000,
)
FIRST: Final = DesiredWorkload(
    uid="w-1",
    namespace="default",
    name="first",
    release="r-1",
    revision=1,
    containers=(ContainerSpec(name="main", image=IMAGE),),
)
SECOND: Final = replace(FIRST, uid="w-2", name="second")
HELD: Final = HeldWorkload(
    uid="w-3",
    namespace="default",
    name="third",
    reason=Reason.NO_MATCHING_PLATFORM,
    message="the image has linux/amd64 only",
)


def document_of(*workloads: DesiredWorkload, held: tuple[HeldWorkload, ...] = ()) -> dict[str, Any]:
    payload = write_desired(epoch=2, generation=3, workloads=workloads, held=held)
    document: dict[str, Any] = json.loads(payload)
    return document


def sealed(document: dict[str, Any]) -> bytes:
    """Write a document that was changed on purpose, with the digest of what it now holds."""
    content: dict[str, JsonValue] = {key: document[key] for key in ("workloads", "held") if key in document}
    version = {**document["document"], "digest": strategies.digest_of(dump_json(content))}
    return json.dumps({**document, "document": version}).encode()


def read(payload: bytes) -> DesiredDocument:
    return read_desired(payload, features=frozenset({"gpu"}))


def refusal_of(payload: bytes) -> list[str]:
    with pytest.raises(DecodeError) as caught:
        read(payload)
    return [str(problem) for problem in caught.value.problems]


def test_a_document_is_read_as_it_was_written() -> None:
    workloads, held = (FIRST, SECOND), (HELD,)
    payload = write_desired(epoch=2, generation=3, workloads=workloads, held=held)
    assert read(payload) == DesiredDocument(
        version=DocumentVersion(epoch=2, generation=3, digest=digest_desired(workloads, held)),
        workloads=workloads,
        held=held,
    )
    assert read(payload).uids == {"w-1", "w-2", "w-3"}


def test_an_explicit_empty_list_stops_everything() -> None:
    document = read(write_desired(epoch=1, generation=1, workloads=(), held=()))
    assert (document.workloads, document.held, document.uids) == ((), (), frozenset())


@pytest.mark.parametrize("workloads", [None, {}, "", 0])
def test_no_list_is_no_order_to_stop(workloads: object) -> None:
    document = document_of(FIRST)
    document["workloads"] = workloads
    assert refusal_of(sealed(document)) == [
        "workloads: expected a list; only an explicit empty list stops everything"
    ]
    del document["workloads"]
    assert refusal_of(sealed(document)) == [
        "workloads: expected a list; only an explicit empty list stops everything"
    ]


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b"null"])
def test_an_empty_document_is_no_order_at_all(payload: bytes) -> None:
    assert len(refusal_of(payload)) == 1


def test_the_digest_is_over_the_content_alone() -> None:
    one = write_desired(epoch=1, generation=1, workloads=(FIRST,), held=(HELD,))
    two = write_desired(epoch=7, generation=9, workloads=(FIRST,), held=(HELD,))
    assert read(one).version.digest == read(two).version.digest == digest_desired((FIRST,), (HELD,))
    assert digest_desired((FIRST,), ()) != digest_desired((SECOND,), ())


def test_content_that_its_digest_does_not_name_is_refused() -> None:
    document = document_of(FIRST)
    document["workloads"][0]["release"] = "r-2"
    assert refusal_of(json.dumps(document).encode()) == [
        "document.digest: the content is not the one that the digest names"
    ]


def test_text_that_has_no_bytes_to_hash_is_refused() -> None:
    document = document_of(FIRST)
    document["workloads"][0]["release"] = "\ud800"
    assert refusal_of(json.dumps(document).encode()) == ["the content has no digest"]


@pytest.mark.parametrize("depth", range(900, 1000, 5))
def test_nesting_at_the_edge_of_what_can_be_read_is_refused(depth: int) -> None:
    document = document_of(FIRST)
    document["workloads"][0]["release"] = "NEST"
    payload = json.dumps(document).replace('"NEST"', "[" * depth + "]" * depth)
    assert len(refusal_of(payload.encode())) == 1


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("epoch", 0, "document: epoch is at least 1, not 0"),
        ("epoch", "2", 'document.epoch: expected a whole number, got the text "2"'),
        ("generation", True, "document.generation: expected a whole number, got the boolean true"),
        ("generation", -1, "document: generation is at least 1, not -1"),
        ("extra", 1, "document.extra: unknown field"),
    ],
)
def test_a_version_that_is_none_is_refused(key: str, value: object, problem: str) -> None:
    document = document_of(FIRST)
    document["document"][key] = value
    assert refusal_of(sealed(document)) == [problem]


def test_an_unknown_field_of_the_document_is_refused() -> None:
    assert refusal_of(sealed({**document_of(FIRST), "volumes": []})) == ["volumes: unknown field"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gpus": []}, "workloads[0].gpus: unknown field"),
        ({"revision": "1"}, 'workloads[0].revision: expected a whole number, got the text "1"'),
        ({"containers": []}, "workloads[0]: a workload has at least one container"),
        ({"requires": "gpu"}, 'workloads[0].requires: expected a list, got the text "gpu"'),
        ({"requires": [{"name": "gpu"}]}, "workloads[0].requires[0]: expected a text, got an object"),
        ({"restartPolicy": "Sometimes"}, None),
    ],
)
def test_a_workload_that_cannot_be_read_is_held_and_delays_no_other(
    change: dict[str, object], message: str | None
) -> None:
    document = document_of(FIRST, SECOND, held=(HELD,))
    document["workloads"][0] |= change
    result = read(sealed(document))
    assert result.workloads == (SECOND,)
    assert result.uids == {"w-1", "w-2", "w-3"}
    held = result.held[-1]
    assert (held.uid, held.namespace, held.name, held.reason) == (
        "w-1",
        "default",
        "first",
        Reason.INVALID_DOCUMENT,
    )
    assert message in (None, held.message)
    assert held.message.startswith("workloads[0]")


def test_a_workload_that_requires_what_the_agent_lacks_is_held() -> None:
    needy = replace(FIRST, requires=("gpu", "volumes", "mounts"))
    result = read(write_desired(epoch=1, generation=1, workloads=(needy, SECOND), held=()))
    assert result.workloads == (SECOND,)
    assert result.held == (
        HeldWorkload(
            uid="w-1",
            namespace="default",
            name="first",
            reason=Reason.UNSUPPORTED_FEATURE,
            message='this agent lacks a feature: "mounts", "volumes"',
        ),
    )


def test_a_workload_that_requires_what_the_agent_has_is_read() -> None:
    able = replace(FIRST, requires=("gpu",))
    assert read(write_desired(epoch=1, generation=1, workloads=(able,), held=())).workloads == (able,)


def test_a_feature_is_missed_even_where_its_fields_are_unknown() -> None:
    document = document_of(FIRST)
    document["workloads"][0] |= {"requires": ["volumes"], "volumes": [{"name": "data"}]}
    assert [held.reason for held in read(sealed(document)).held] == [Reason.UNSUPPORTED_FEATURE]


def test_a_reason_newer_than_the_agent_spoils_nothing() -> None:
    document = document_of(FIRST, held=(HELD,))
    document["held"][0]["reason"] = "too_hot"
    result = read(sealed(document))
    assert result.workloads == (FIRST,)
    assert [(held.uid, held.reason) for held in result.held] == [("w-3", Reason.INVALID_DOCUMENT)]
    assert "too_hot" in result.held[0].message


@pytest.mark.parametrize("place", ["workloads", "held"])
@pytest.mark.parametrize(
    ("key", "value"), [("uid", None), ("uid", "W"), ("namespace", 7), ("name", "a/b"), ("name", ["x"])]
)
def test_an_entry_that_says_not_even_whose_it_is_spoils_the_document(
    place: str, key: str, value: object
) -> None:
    document = document_of(FIRST, held=(HELD,))
    document[place][0][key] = value
    [problem] = refusal_of(sealed(document))
    assert problem.startswith(f"{place}[0].{key}: expected a name, got ")


@pytest.mark.parametrize("place", ["workloads", "held"])
def test_an_entry_that_is_no_object_spoils_the_document(place: str) -> None:
    document = document_of(FIRST, held=(HELD,))
    document[place][0] = "x"
    assert refusal_of(sealed(document)) == [f"{place}[0]: expected an object"]


def test_what_is_held_must_be_a_list() -> None:
    assert refusal_of(sealed({**document_of(FIRST), "held": {}})) == ["held: expected a list, got an object"]


def test_two_entries_for_one_workload_are_refused() -> None:
    for document in (document_of(FIRST, FIRST), document_of(FIRST, held=(replace(HELD, uid="w-1"),))):
        assert refusal_of(sealed(document)) == ["workloads: two entries have the same uid"]


def test_what_holds_its_default_is_not_sent() -> None:
    """So that an older agent, which refuses fields that it does not know, still reads a newer controller."""
    [workload] = document_of(FIRST)["workloads"]
    assert sorted(workload) == ["containers", "name", "namespace", "release", "revision", "uid"]
    assert sorted(workload["containers"][0]) == ["image", "name"]


@pytest.mark.parametrize("text", ["x" * 100_000, "\0", "\ud800"])
def test_what_a_hold_says_is_bounded_and_can_be_kept(text: str) -> None:
    document = document_of(FIRST)
    document["workloads"][0]["requires"] = [text.encode("utf-8", "replace").decode()]
    [held] = read(sealed(document)).held
    assert held.reason is Reason.UNSUPPORTED_FEATURE
    assert len(held.message) <= 1000
    assert "\0" not in held.message


def test_a_document_over_the_bound_is_not_written() -> None:
    large = replace(
        FIRST,
        containers=(
            ContainerSpec(name="main", image=IMAGE, env=(EnvironmentVariable(name="A", value="x" * 2**18),)),
        ),
    )
    with pytest.raises(OversizedMessageError, match=r"down/desired: 262\d+ bytes are more than the 262144"):
        write_desired(epoch=1, generation=1, workloads=(large,), held=())


def test_a_document_over_the_bound_is_not_read() -> None:
    payload = write_desired(epoch=1, generation=1, workloads=(FIRST,), held=())
    assert refusal_of(payload + b" " * 2**18) == [
        f"{len(payload) + 2**18} bytes are more than the 262144 allowed"
    ]
