"""What is told of two documents: nothing if they are the same, and what is told is really there."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from manifest_strategies import manifests
from polyfleet_controller.domain.manifest import WorkloadManifest
from polyfleet_controller.domain.manifest_changes import FieldChange, find_changes
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import JsonValue, dump_json

STEP = re.compile(r"[a-z]+|\[[a-z]\]")

scalars = st.none() | st.booleans() | st.integers(0, 1) | st.floats(0, 1) | st.text("xy", max_size=1)
keys = st.sampled_from(["a", "b", "c"])


def grow(inner: st.SearchStrategy[JsonValue]) -> st.SearchStrategy[JsonValue]:
    named = st.dictionaries(keys, inner, max_size=3).map(name_items)
    return st.dictionaries(keys, inner, max_size=3) | st.lists(inner, max_size=3) | named


def name_items(values: dict[str, JsonValue]) -> JsonValue:
    return [{"name": name, "value": value} for name, value in values.items()]


documents: st.SearchStrategy[JsonValue] = st.recursive(scalars, grow, max_leaves=8)


def look(document: JsonValue, path: str) -> str | None:
    """Give what a path leads to, None where there is nothing."""
    for step in STEP.findall(path):
        if isinstance(document, list):
            found = [item for item in document if isinstance(item, dict) and item["name"] == step[1:-1]]
            if not found:
                return None
            document = found[0]
        elif isinstance(document, dict) and step in document:
            document = document[step]
        else:
            return None
    return dump_json(document).decode()


@given(documents, documents)
def test_what_is_told_is_there_and_what_is_not_told_is_the_same(before: JsonValue, after: JsonValue) -> None:
    changes = find_changes(before, after)
    assert bool(changes) is (dump_json(before) != dump_json(after))
    assert len({change.path for change in changes}) == len(changes)
    for change in changes:
        assert (change.before, change.after) == (look(before, change.path), look(after, change.path))
        assert change.before != change.after


@given(documents, documents)
def test_the_way_back_is_the_same_way(before: JsonValue, after: JsonValue) -> None:
    there = {(change.path, change.before, change.after) for change in find_changes(before, after)}
    back = {(change.path, change.after, change.before) for change in find_changes(after, before)}
    assert there == back


@given(manifests)
def test_a_manifest_that_stays_the_same_has_no_changes(manifest: WorkloadManifest) -> None:
    assert find_changes(encode(manifest), json.loads(dump_json(encode(manifest)))) == ()


def test_one_more_in_front_of_a_list_changes_nothing_about_the_others() -> None:
    first: JsonValue = {"name": "A", "value": "1"}
    before: JsonValue = {"env": [first, {"name": "B", "value": "2"}]}
    after: JsonValue = {"env": [{"name": "C", "value": "0"}, first, {"name": "B", "value": "3"}]}
    assert find_changes(before, after) == (
        FieldChange(path="env[B].value", before='"2"', after='"3"'),
        FieldChange(path="env[C]", before=None, after='{"name":"C","value":"0"}'),
    )


def test_items_in_another_order_are_told_as_a_whole() -> None:
    names: list[JsonValue] = [{"name": "a"}, {"name": "b"}]
    assert find_changes({"env": names}, {"env": names[::-1]}) == (
        FieldChange(path="env", before='[{"name":"a"},{"name":"b"}]', after='[{"name":"b"},{"name":"a"}]'),
    )
