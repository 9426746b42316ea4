"""Which label counts, who says it, and what operators may change of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from controlroom import HOST, Voice
from polyfleet_controller.domain.device_labels import (
    DeviceLabel,
    DeviceLabels,
    IgnoredLabel,
    LabelChange,
    LabelSource,
)
from polyfleet_controller.domain.marks import MarkConflictError, MarkRefusedError
from polyfleet_shared.json_text import Problem

INVENTORY: Final = {
    "kubernetes.io/arch": "amd64",
    "kubernetes.io/os": "linux",
    "kubernetes.io/hostname": "board",
    "polyfleet.io/variant": "v3",
}
RESERVED: Final = "is reserved, as all under polyfleet.io/ is but for polyfleet.io/site"


def labels(*, operator: Mapping[str, str] | None = None, **configured: str) -> DeviceLabels:
    """What counts on edge-1, an amd64/v3 machine."""
    return DeviceLabels(device="edge-1", inventory=INVENTORY, operator=operator or {}, configured=configured)


def change(known: DeviceLabels, **asked: Any) -> dict[str, str]:  # noqa: ANN401 - the fields of LabelChange
    return known.change(LabelChange(**asked))


def refuse(known: DeviceLabels, **asked: Any) -> tuple[Problem, ...]:  # noqa: ANN401 - the fields of LabelChange
    with pytest.raises(MarkRefusedError) as raised:
        change(known, **asked)
    assert not isinstance(raised.value, MarkConflictError)
    return raised.value.problems


def test_the_inventory_counts_before_an_operator_and_an_operator_before_the_configuration() -> None:
    known = labels(operator={"site": "berlin", "rack": "3"}, site="paris", tier="edge", rack="3")
    assert known.counting == {**INVENTORY, "site": "berlin", "rack": "3", "tier": "edge"}
    assert known.explained == (
        *(
            DeviceLabel(key=key, value=value, source=LabelSource.INVENTORY)
            for key, value in sorted(INVENTORY.items())
        ),
        DeviceLabel(key="rack", value="3", source=LabelSource.OPERATOR, configured="3"),
        DeviceLabel(key="site", value="berlin", source=LabelSource.OPERATOR, configured="paris"),
        DeviceLabel(key="tier", value="edge", source=LabelSource.DEVICE),
    )
    assert known.ignored == ()


def test_the_inventory_says_what_the_machine_is() -> None:
    for platform, hostname, expected in (
        ("linux/amd64/v3", "board", INVENTORY),
        (
            "linux/riscv64",
            "board",
            {
                "kubernetes.io/arch": "riscv64",
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": "board",
            },
        ),
        ("linux/amd64/v3", "", {**INVENTORY, "kubernetes.io/hostname": "edge-1"}),
        ("linux/amd64/v3", "no label", {**INVENTORY, "kubernetes.io/hostname": "edge-1"}),
    ):
        inventory = replace(Voice(platform=platform).inventory(), host=replace(HOST, hostname=hostname))
        assert DeviceLabels.gather("edge-1", inventory, {}).counting == expected
    assert DeviceLabels.gather("edge-1", None, {"site": "north"}).counting == {"site": "north"}


def test_what_a_device_may_not_say_counts_nothing_and_is_told() -> None:
    configured = {
        "kubernetes.io/arch": "mips",
        "kubernetes.io/os": "linux",
        "polyfleet.io/tier": "gold",
        "polyfleet.io/site": "attic",
        "site": "north hall",
    }
    known = replace(labels(), configured=configured)
    assert known.counting == {**INVENTORY, "polyfleet.io/site": "attic"}
    assert known.ignored == (
        IgnoredLabel(
            key="kubernetes.io/arch",
            value="mips",
            message="kubernetes.io/arch is amd64 by edge-1's inventory, and cannot be set to mips",
        ),
        IgnoredLabel(key="polyfleet.io/tier", value="gold", message=f"polyfleet.io/tier {RESERVED}"),
        IgnoredLabel(
            key="site",
            value="north hall",
            message="site=north hall: a label's value is up to 63 of letters, digits, '-', '_' and '.'",
        ),
    )


def test_an_operator_sets_and_removes_labels() -> None:
    known = labels(operator={"site": "berlin", "rack": "3"}, tier="edge")
    asked = {"node-role.kubernetes.io/gateway": "", "polyfleet.io/site": "attic", "rack": "3"}
    assert change(known, set=asked, remove=("site", "site", "never.there")) == {**asked, "rack": "3"}


def test_what_is_so_already_can_be_said_again() -> None:
    known = labels(operator={"rack": "3"}, tier="edge")
    asked = {**INVENTORY, "rack": "3", "tier": "edge"}
    # Whatever becomes of the configuration, the operator has said it.
    assert change(known, set=asked) == {"rack": "3", "tier": "edge"}


def test_a_protected_label_is_refused_with_the_reason() -> None:
    asked = {"kubernetes.io/arch": "arm64", "polyfleet.io/tier": "gold"}
    assert refuse(labels(), set=asked, remove=("kubernetes.io/os",), overwrite=True) == (
        Problem(
            path='set["kubernetes.io/arch"]',
            message="kubernetes.io/arch is amd64 by edge-1's inventory, and cannot be set to arm64",
        ),
        Problem(path='set["polyfleet.io/tier"]', message=f"polyfleet.io/tier {RESERVED}"),
        Problem(
            path="remove[0]",
            message="kubernetes.io/os is linux by edge-1's inventory, and cannot be removed",
        ),
    )


def test_a_protected_label_is_protected_before_the_inventory_has_one() -> None:
    known = DeviceLabels(device="edge-1")
    assert refuse(known, set={"polyfleet.io/variant": "v2"}) == (
        Problem(
            path='set["polyfleet.io/variant"]',
            message=(
                "polyfleet.io/variant comes from edge-1's inventory, which says none, and cannot be set"
            ),
        ),
    )
    assert change(known, remove=("polyfleet.io/variant",)) == {}


def test_another_value_is_a_conflict_that_names_who_set_the_one_that_is_there() -> None:
    known = labels(operator={"site": "berlin", "old": ""}, tier="edge")
    asked = {"site": "paris", "old": "x", "tier": ""}
    with pytest.raises(MarkConflictError) as raised:
        change(known, set=asked)
    assert raised.value.problems == (
        Problem(
            path='set["site"]',
            message="site is berlin already, set by an operator: overwrite it if paris is meant",
        ),
        Problem(
            path='set["old"]', message="old is '' already, set by an operator: overwrite it if x is meant"
        ),
        Problem(
            path='set["tier"]',
            message="tier is edge already, set by the device's configuration: overwrite it if '' is meant",
        ),
    )
    assert change(known, set=asked, overwrite=True) == asked


def test_removing_gives_the_device_its_own_word_back_and_never_takes_it() -> None:
    known = labels(operator={"site": "berlin"}, site="paris")
    assert change(known, remove=("site",)) == {}
    assert refuse(labels(site="paris"), remove=("site",)) == (
        Problem(
            path="remove[0]",
            message=(
                "site is paris by edge-1's own configuration: "
                "remove it from [device.labels] in its agent.toml"
            ),
        ),
    )


def test_everything_that_is_wrong_is_told_at_once() -> None:
    long = "k" * 100
    problems = refuse(
        labels(operator={"site": "berlin"}, tier="edge"),
        set={"a b": "", "rack": "-", "site": "paris", long: "v"},
        remove=("rack", "c d", "tier"),
    )
    assert [problem.path for problem in problems] == [
        'set["a b"]',
        'set["rack"]',
        f'set["{"k" * 80}"]',
        "remove[0]",
        "remove[1]",
        "remove[2]",
        'set["site"]',
    ]
    assert [problem.message.partition(":")[0] for problem in problems] == [
        "a b=''",
        "rack=-",
        f"{'k' * 80}…=v",
        "rack is to be set as well",
        "c d",
        "tier is edge by edge-1's own configuration",
        "site is berlin already, set by an operator",
    ]
