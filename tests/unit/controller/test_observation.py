"""What a device works by, against what was made for it."""

import pytest

from controlroom import digest
from polyfleet_controller.domain.observation import (
    MAX_COUNTER,
    Lag,
    begin_epoch,
    compare,
    is_plausible,
    next_version,
)
from polyfleet_shared.messages import DocumentVersion


def version(epoch: int, generation: int, content: str = "a") -> DocumentVersion:
    return DocumentVersion(epoch=epoch, generation=generation, digest=digest(content))


@pytest.mark.parametrize(
    ("assigned", "observed", "lag"),
    [
        (None, None, Lag.UNASSIGNED),
        (None, version(9, 9), Lag.UNASSIGNED),
        (version(2, 5), None, Lag.BEHIND),
        (version(2, 5), version(2, 5), Lag.CURRENT),
        (version(2, 5), version(2, 4), Lag.BEHIND),
        (version(2, 5), version(1, 9), Lag.BEHIND),
        (version(2, 5), version(2, 4, "b"), Lag.BEHIND),
        (version(2, 5), version(2, 6), Lag.AHEAD),
        (version(2, 5), version(3, 1), Lag.AHEAD),
        (version(2, 5), version(2, 5, "b"), Lag.AHEAD),
        (version(2, 5), version(MAX_COUNTER - 1, 1), Lag.AHEAD),
        (version(2, 5), version(MAX_COUNTER, 1), Lag.BEHIND),
        (version(2, 5), version(3, MAX_COUNTER), Lag.BEHIND),
        (version(MAX_COUNTER, 5), version(MAX_COUNTER, 5), Lag.CURRENT),
        (version(MAX_COUNTER, 5), version(MAX_COUNTER, 6), Lag.BEHIND),
    ],
)
def test_a_device_stands_to_its_document(
    assigned: DocumentVersion | None, observed: DocumentVersion | None, lag: Lag
) -> None:
    assert compare(assigned, observed) is lag


@pytest.mark.parametrize(
    ("known", "observed", "following"),
    [
        ((1, 0), None, (1, 1)),
        ((3, 7), None, (3, 8)),
        ((3, 7), version(3, 7), (3, 8)),
        ((3, 7), version(2, 90), (3, 8)),
        ((3, 7), version(3, 20), (3, 21)),
        ((3, 7), version(5, 1), (6, 8)),
        ((3, 7), version(MAX_COUNTER, 1), (3, 8)),
    ],
)
def test_the_next_document_is_above_all_that_was_seen(
    known: tuple[int, int], observed: DocumentVersion | None, following: tuple[int, int]
) -> None:
    assert next_version(epoch=known[0], generation=known[1], observed=observed) == following


def test_a_new_epoch_is_above_ours_and_theirs() -> None:
    assert begin_epoch(4, version(2, 1)) == 5
    assert begin_epoch(4, version(7, 1)) == 8


def test_no_honest_history_reaches_the_largest_number() -> None:
    assert is_plausible(version(MAX_COUNTER - 1, MAX_COUNTER - 1))
    assert not is_plausible(version(MAX_COUNTER, 1))
    assert not is_plausible(version(1, MAX_COUNTER))
