"""A pull's lines, added up."""

from typing import Any

from polyfleet_agent.adapters.podman_pull import PullLedger
from polyfleet_shared.messages import PullProgress

CONFIG = "sha256:cc" + "0" * 62


def line(layer: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    detail = {"current": current, "total": total} if total else {}
    return {"status": status, "progressDetail": detail, "id": layer}


def read(*lines: dict[str, Any], size: int = 100) -> PullLedger:
    ledger = PullLedger(size, config=CONFIG)
    for entry in lines:
        ledger.read(entry)
    return ledger


def test_before_the_first_line_nothing_is_done_and_the_registry_is_waited_for() -> None:
    ledger = read()
    assert ledger.progress == PullProgress(done=0, total=100)
    assert ledger.waits_for_registry
    assert ledger.travelled == 0


def test_a_layer_that_moves_is_counted_by_what_remains_of_it() -> None:
    ledger = read(
        line("a", "Already exists"),
        line("b", "Pulling fs layer"),
        line("b", "Downloading", current=10, total=40),
    )
    assert ledger.progress == PullProgress(done=70, total=100)
    assert ledger.waits_for_registry


def test_with_many_layers_under_way_only_what_came_is_counted() -> None:
    announced = [line(str(number), "Pulling fs layer") for number in range(6)]
    moving = [line(str(number), "Downloading", current=1, total=10) for number in range(6)]
    assert read(*announced, *moving).progress == PullProgress(done=6, total=100)


def test_a_layer_of_unknown_size_is_not_counted_before_it_is_told() -> None:
    ledger = read(
        line("a", "Pulling fs layer"),
        line("b", "Pulling fs layer"),
        line("a", "Downloading", current=10, total=40),
    )
    assert ledger.progress == PullProgress(done=10, total=100)


def test_progress_never_goes_back() -> None:
    ledger = read(line("a", "Downloading", current=30, total=40), line("a", "Pulling fs layer"))
    assert ledger.progress == PullProgress(done=90, total=100)


def test_the_config_comes_when_all_is_there() -> None:
    ledger = read(
        line("a", "Pulling fs layer"),
        line("a", "Download complete"),
        line(CONFIG.removeprefix("sha256:")[:12], "Pulling fs layer"),
    )
    assert ledger.progress == PullProgress(done=100, total=100)
    assert not ledger.waits_for_registry


def test_when_every_layer_travelled_the_size_is_the_images() -> None:
    assert read(line("a", "Download complete"), line("b", "Download complete")).travelled == 100


def test_when_every_layer_was_there_nothing_travelled() -> None:
    assert read(line("a", "Already exists"), line("b", "Already exists")).travelled == 0


def test_when_some_were_there_what_podman_told_of_the_others_travelled() -> None:
    ledger = read(
        line("a", "Already exists"),
        line("b", "Downloading", current=5, total=40),
        line("b", "Download complete"),
        line("c", "Download complete"),
    )
    assert ledger.travelled == 40


def test_lines_about_nothing_are_passed_over() -> None:
    assert read({"status": "Trying"}, {"id": 7}, {}).progress == PullProgress(done=0, total=100)
