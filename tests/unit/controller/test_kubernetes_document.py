"""docs/kubernetes.md says what the code does: its tables are the code's, its examples are taken."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
import yaml

from polyfleet_controller.domain.kubernetes.documents import read_documents
from polyfleet_controller.domain.kubernetes.environment import REFUSED_SOURCES
from polyfleet_controller.domain.kubernetes.fields import (
    ANNOTATIONS,
    CONTAINER,
    DAEMON_SET,
    DEPLOYMENT,
    METADATA,
    POD_SPEC,
    Rule,
)
from polyfleet_controller.domain.kubernetes.kinds import COMPANIONS, KINDS, REFUSED_KINDS
from polyfleet_controller.domain.kubernetes.node_labels import RENAMED
from polyfleet_controller.domain.manifest import KIND, ContainerTemplate, PodSpec
from polyfleet_controller.domain.manifest_refusals import MESSAGES
from polyfleet_shared.codec import json_name

DOCUMENT: Final = Path(__file__).parents[3] / "docs/kubernetes.md"
POD: Final = "spec.template.spec."

Rows = list[tuple[str, ...]]


def code(text: str) -> str:
    return f"`{text}`"


def rules(table: Mapping[str, Rule]) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = []
    for name, rule in table.items():
        values = "any" if rule.values is None else " or ".join(code(json.dumps(each)) for each in rule.values)
        rows.append((code(name), values or "none", rule.reason))
    return ("field", "value", "why"), rows


def refusals(prefix: str, table: Mapping[str, Rule], beside: frozenset[str]) -> tuple[tuple[str, ...], Rows]:
    """What the codec refuses and no rule of Kubernetes' kinds answers before it."""
    answered = beside | {name for name, rule in table.items() if not rule.others_go_on}
    rows: Rows = [
        (code(name), message)
        for path, message in MESSAGES.items()
        if path.startswith(prefix)
        for name in [path.removeprefix(prefix)]
        if name not in answered
        and not (prefix == POD and name.startswith(("containers.", "initContainers.")))
    ]
    return ("field", "why"), rows


def texts(head: tuple[str, ...], table: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
    return head, [(code(name), text) for name, text in table.items()]


# By heading: the table's head and its rows.
TABLES: Final[dict[str, tuple[tuple[str, ...], Rows]]] = {
    "Other kinds": texts(("kind", "what to do"), REFUSED_KINDS),
    "Of metadata": rules(METADATA),
    "Of a Deployment": rules(DEPLOYMENT),
    "Of a DaemonSet": rules(DAEMON_SET),
    "Of a pod": rules(POD_SPEC),
    "Of a container": rules(CONTAINER),
    "Labels of nodes": (("label", "is read as"), [(code(old), code(new)) for old, new in RENAMED.items()]),
    "Refused of metadata": refusals("metadata.", METADATA, frozenset({"annotations"})),
    "Refused of a pod": refusals(POD, POD_SPEC, frozenset()),
    "Refused of a container": refusals(
        f"{POD}containers.",
        CONTAINER,
        frozenset({"envFrom.configMapRef", "env.valueFrom.configMapKeyRef"})
        | {f"env.valueFrom.{source}" for source in REFUSED_SOURCES},
    ),
    "Refused of variables": texts(("source", "why"), REFUSED_SOURCES),
}


def section(heading: str) -> str:
    """Return what stands between this heading and the next."""
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, heading
    return found[1]


def rows_under(heading: str) -> Rows:
    """Return the cells of the table under a heading, without its head."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line[1:-1].split("|")) for line in lines[2:]]


@pytest.mark.parametrize("heading", TABLES)
def test_a_table_is_the_codes(heading: str) -> None:
    assert rows_under(heading) == TABLES[heading][1]


def test_the_kinds_are_those_that_are_taken() -> None:
    versions = {
        code(kind): code(version) for kind, version in {**KINDS, **COMPANIONS}.items() if kind != KIND
    }
    assert {kind: version for kind, version, _ in rows_under("Kinds")} == versions


@pytest.mark.parametrize(
    ("heading", "kind"), [("Fields of a pod", PodSpec), ("Fields of a container", ContainerTemplate)]
)
def test_every_field_that_is_taken_is_listed(heading: str, kind: type) -> None:
    assert [name for name, _ in rows_under(heading)] == [code(json_name(name)) for name in kind.__slots__]  # type: ignore[attr-defined] # a dataclass with slots


def test_every_annotation_is_listed() -> None:
    assert set(re.findall(r"`([a-z.]+/?[a-z.-]+)`", section("Annotations"))) == set(ANNOTATIONS)


def test_the_examples_are_taken() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        readings = read_documents(list(yaml.safe_load_all(block)))
        assert [str(problem) for reading in readings for problem in reading.problems] == []
        assert any(reading.workloads for reading in readings)
