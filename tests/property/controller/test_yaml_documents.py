"""Whatever a file holds, it is read as JSON's types or refused with a line; every path has its line."""

import contextlib

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from polyfleet_controller.cli.yaml_documents import YamlDocument, YamlError, read_yaml
from polyfleet_shared.json_text import JsonValue, dump_json

# Enough of YAML's own letters that some of what is drawn is nearly YAML.
yaml_texts = st.text(st.sampled_from("ab1.:-?,[]{}&*!|>'\"%@`#~ \n\t\\=<x\u00e9\u2028"), max_size=40)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def read_or_refuse(content: bytes) -> tuple[tuple[int, YamlDocument], ...]:
    with contextlib.suppress(YamlError):
        return read_yaml(content)
    return ()


@given(st.binary(max_size=60) | yaml_texts.map(str.encode))
@example(b"!!int ''")
@example(b"!!bool perhaps")
@example(b"=")
@example(b"!!float '.'")
def test_any_file_is_read_or_refused(content: bytes) -> None:
    for _, read in read_or_refuse(content):
        assert dump_json(read.document)
        assert {line for line in read.lines.values() if not 1 <= line <= len(content) + 1} == set()


@given(documents)
def test_what_is_written_is_read_back(document: JsonValue) -> None:
    content = yaml.safe_dump(document)
    assert [(number, read.document) for number, read in read_yaml(content.encode())] == [(1, document)]


@given(documents)
def test_the_root_has_a_line_and_whatever_is_missing_has_one_near_it(document: JsonValue) -> None:
    [(_, read)] = read_yaml(yaml.safe_dump(document).encode())
    assert read.line_of("") == read.line_of("nowhere.at[7].all") == 1
