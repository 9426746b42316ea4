"""Every reason can be told to a technician."""

import pytest

from polyfleet_shared.reasons import EXPLANATIONS, Reason, explain


def test_nothing_but_reasons_is_explained() -> None:
    assert set(EXPLANATIONS) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_one_sentence_and_one_next_step(reason: Reason) -> None:
    explanation = explain(reason)
    for text in (explanation.sentence, explanation.next_step):
        assert text[0].isupper()
        assert text.endswith(".")
        assert len(text) <= 120
    assert reason.value.isidentifier()


def test_only_what_goes_away_by_itself_is_transient() -> None:
    assert {reason for reason in Reason if explain(reason).transient} == {
        Reason.IMAGE_NOT_FOUND,
        Reason.REGISTRY_UNREACHABLE,
        Reason.REGISTRY_DENIED,
        Reason.DISK_FULL,
        Reason.STATE_UNUSABLE,
        Reason.PODMAN_UNAVAILABLE,
        Reason.PORT_CONFLICT,
        Reason.NAME_CONFLICT,
        Reason.SECRET_MISSING,
        Reason.EXITED,
        Reason.START_TIMEOUT,
        Reason.START_FAILED,
        Reason.AWAITS_ROLLOUT,
        Reason.DEADLINE_EXCEEDED,
    }
