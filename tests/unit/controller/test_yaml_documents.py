"""YAML is read as JSON would be, and every mistake has its line."""

import pytest

from polyfleet_controller.cli.yaml_documents import YamlError, read_yaml


def test_documents_are_numbered_as_they_stand_and_empty_ones_passed_over() -> None:
    content = b"---\na: 1\n---\n---\n# nothing\n---\n- x\n...\n"
    assert [(number, each.document) for number, each in read_yaml(content)] == [(1, {"a": 1}), (4, ["x"])]


def test_json_is_yaml() -> None:
    [(_, read)] = read_yaml(b'{"a": [1, 2.5, true, null, "x"]}')
    assert read.document == {"a": [1, 2.5, True, None, "x"]}


def test_the_line_of_every_path_is_known() -> None:
    [(_, read)] = read_yaml(
        b"metadata:\n  name: x\n  labels:\n    a.b/c: d\nlist:\n  - one\n  - two:\n      3\n"
    )
    assert {path: read.line_of(path) for path in ("", "metadata.name", "list[0]", "list[1].two")} == {
        "": 1,
        "metadata.name": 2,
        "list[0]": 6,
        "list[1].two": 7,
    }
    assert read.line_of('metadata.labels["a.b/c"]') == 3
    assert read.line_of("list[1].missing.deeper") == 7


def test_dates_and_anchors_are_plain_values() -> None:
    [(_, read)] = read_yaml(b"day: 2024-05-01\nfirst: &x [1]\nsecond: *x\n")
    assert read.document == {"day": "2024-05-01", "first": [1], "second": [1]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: 2\na: 3\n", "3: document 1: a: the key is there already"),
        (b"a:\n  b: 1\n  b: 2\n", "3: document 1: a.b: the key is there already"),
        (b"a: 1\nyes: 2\n", "2: document 1: a key is a text, not 'yes': put it in quotes"),
        (b"80: 1\n", "1: document 1: a key is a text, not '80': put it in quotes"),
        (b"? [a]\n: 1\n", "1: document 1: a key is a text, not 'a list or an object': put it in quotes"),
        (
            b"a: &x {b: 1}\nc:\n  <<: *x\n",
            "3: document 1: c: merge keys (<<) are not taken: write the values out",
        ),
        (b"a:\n - b\n c: d\n", "3: document 1: no YAML: expected <block end>, but found '?'"),
        (b"a: 'b\n", "2: document 1: no YAML: found unexpected end of stream"),
        (
            b"a: !!python/object:os.system x\n",
            "1: document 1: a: tag:yaml.org,2002:python/object:os.system is no type of JSON",
        ),
        (
            b"a: 1\n---\n- b: [x, !!set {c}]\n",
            "3: document 2: [0].b[1]: tag:yaml.org,2002:set is no type of JSON",
        ),
        (b"a: !!binary aGk=\n", "1: document 1: a: tag:yaml.org,2002:binary is no type of JSON"),
        (b"a: !!set {b}\n", "1: document 1: a: tag:yaml.org,2002:set is no type of JSON"),
        (b"a: !!int seven\n", "1: document 1: a: 'seven' is no int"),
        (b"a: .inf\n", "1: document 1: a: .inf is no number of JSON"),
        (b"a: .nan\n", "1: document 1: a: .nan is no number of JSON"),
        (b"a: &x [*x]\n", "1: document 1: nested too deeply, or an alias that holds itself"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_line(content: bytes, message: str) -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml(content)
    assert str(caught.value) == message


def test_aliases_that_multiply_are_refused() -> None:
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 10):
        inner = b", ".join([b"*a%d" % (level - 1)] * 10)
        lines.append(b"a%d: &a%d [%s]" % (level, level, inner))
    with pytest.raises(YamlError, match="more than 50000 values in one document"):
        read_yaml(b"\n".join(lines))


@pytest.mark.parametrize(
    "content", [b"[" * 2_000, b"a: \xff\xfe", b"\x00", b"{a: [}", b"*nowhere", b"%YAML 9.9\n---\n"]
)
def test_what_is_no_yaml_is_refused(content: bytes) -> None:
    with pytest.raises(YamlError):
        read_yaml(content)
