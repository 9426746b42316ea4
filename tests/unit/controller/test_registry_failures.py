"""How long a registry asks to wait, in words, and what its answers mean."""

import pytest

from polyfleet_controller.registry.failures import describe_status, describe_wait


@pytest.mark.parametrize(
    ("retry_after", "words"),
    [
        ("30", "30 s"),
        (" 90 ", "1 min 30 s"),
        ("3600", "1 h"),
        ("21600", "6 h"),
        ("86399", "23 h 59 min 59 s"),
        ("999999", "168 h"),
        ("0", ""),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "until 2026-10-21 07:28:00 UTC"),
        ("Wed, 21 Oct 2026 09:28:00 +0200", ""),
        ("-5", ""),
        ("٣٠", ""),
        ("soon", ""),
        ("9" * 5000, ""),
        ("Wed, 21 Oct 99999 07:28:00 GMT", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_wait_is_put_into_words(retry_after: str | None, words: str) -> None:
    assert describe_wait(retry_after) == words


@pytest.mark.parametrize(
    ("status", "retry_after", "words"),
    [
        (429, None, "takes no more requests for now (HTTP 429)"),
        (429, "60", "takes no more requests for now (HTTP 429) and asks to wait 1 min"),
        (503, "60", "answered HTTP 503 and asks to wait 1 min"),
        (500, None, "answered HTTP 500"),
    ],
)
def test_a_status_is_put_into_words(status: int, retry_after: str | None, words: str) -> None:
    assert describe_status(status, retry_after) == words
