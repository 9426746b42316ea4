"""The codec takes what it is promised and names the place of everything else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Final

import pytest

from polyfleet_shared.codec import UnknownFields, decode, encode, json_name
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem, dump_json, parse_json
from polyfleet_shared.platforms import Platform


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise PolyfleetError(f"a wheel has a size, not {self.size}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cart:
    name: str
    load: int = 0
    slope: float = 0.0
    is_full: bool = False
    colour: Colour = Colour.RED
    built_at: datetime | None = None
    platform: Platform | None = None
    spare: Wheel = Wheel(size=1)
    wheels: tuple[Wheel, ...] = ()
    signs: Mapping[str, str] | None = None


FULL: Final = Cart(
    name="hay",
    load=-(2**63),
    slope=0.5,
    is_full=True,
    colour=Colour.BLUE,
    built_at=datetime(2024, 2, 29, 12, 0, 0, 250000, tzinfo=UTC),
    platform=Platform.parse("linux/arm/v7"),
    spare=Wheel(size=2),
    wheels=(Wheel(size=3), Wheel(size=4)),
    signs={"left": "links"},
)
FULL_DOCUMENT: Final = {
    "name": "hay",
    "load": -(2**63),
    "slope": 0.5,
    "isFull": True,
    "colour": "blue",
    "builtAt": "2024-02-29T12:00:00.250000Z",
    "platform": "linux/arm/v7",
    "spare": {"size": 2},
    "wheels": [{"size": 3}, {"size": 4}],
    "signs": {"left": "links"},
}


def problems_of(document: JsonValue, *, unknown: UnknownFields = UnknownFields.REFUSE) -> dict[str, str]:
    """Decode a cart that is refused, and return path to message."""
    with pytest.raises(DecodeError) as caught:
        decode(Cart, document, unknown=unknown)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_every_type_is_written_and_read_back() -> None:
    assert encode(FULL) == FULL_DOCUMENT
    assert decode(Cart, FULL_DOCUMENT) == FULL


def test_what_is_absent_has_its_default_and_none_is_left_out() -> None:
    assert decode(Cart, {"name": "a"}) == Cart(name="a")
    assert decode(Cart, {"name": "a", "builtAt": None}) == Cart(name="a")
    assert encode(Cart(name="a")) == {
        "name": "a",
        "load": 0,
        "slope": 0.0,
        "isFull": False,
        "colour": "red",
        "spare": {"size": 1},
        "wheels": [],
    }


def test_defaults_can_be_left_out_too() -> None:
    assert encode(Cart(name="a"), omit_defaults=True) == {"name": "a"}
    assert encode(Cart(name="a", load=1, wheels=(Wheel(size=1),)), omit_defaults=True) == {
        "name": "a",
        "load": 1,
        "wheels": [{"size": 1}],
    }


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", 7, "expected a text, got the number 7"),
        ("name", None, "expected a text, got null"),
        ("name", "a\0b", "a text must not hold the character NUL"),
        ("name", "a\ud800", "a text must not hold half a surrogate pair"),
        ("load", "7", 'expected a whole number, got the text "7"'),
        ("load", True, "expected a whole number, got the boolean true"),
        ("load", 7.0, "expected a whole number, got the number 7.0"),
        ("load", 2**63, "the number does not fit 64 bits"),
        ("load", -(2**63) - 1, "the number does not fit 64 bits"),
        ("slope", "0.5", 'expected a number, got the text "0.5"'),
        ("slope", False, "expected a number, got the boolean false"),
        ("slope", 2**63, f"expected a number, got the number {2**63}"),
        ("isFull", 1, "expected true or false, got the number 1"),
        ("isFull", "true", 'expected true or false, got the text "true"'),
        ("colour", "green", 'expected one of red, blue, got the text "green"'),
        ("colour", ["red"], "expected one of red, blue, got a list"),
        ("platform", "linux", None),
        ("platform", 7, "expected a text, got the number 7"),
        ("spare", [], "expected an object, got a list"),
        ("wheels", {}, "expected a list, got an object"),
        ("signs", [], "expected an object, got a list"),
    ],
)
def test_a_wrong_type_is_refused_where_it_stands(field: str, value: JsonValue, message: str | None) -> None:
    problems = problems_of({"name": "a", field: value})
    assert list(problems) == [field]
    assert message is None or problems == {field: message}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2024-02-29", "a time with its offset from UTC, as RFC 3339 has it"),
        ("2024-02-29T12:00:00", "a time with its offset from UTC, as RFC 3339 has it"),
        ("20240229T120000Z", "a time with its offset from UTC, as RFC 3339 has it"),
        ("2024-W09-4T12:00:00Z", "a time with its offset from UTC, as RFC 3339 has it"),
        ("2024-02-29T12:00:00+01:00:30", "a time with its offset from UTC, as RFC 3339 has it"),
        ("٢٠٢٤-02-29T12:00:00Z", "a time with its offset from UTC, as RFC 3339 has it"),
        ("2024-13-01T00:00:00Z", "a time that exists"),
        ("2023-02-29T00:00:00Z", "a time that exists"),
        ("0001-01-01T00:00:00+01:00", "a time that exists"),
        ("9999-12-31T23:59:59-01:00", "a time that exists"),
    ],
)
def test_a_time_that_is_none_is_refused(text: str, message: str) -> None:
    problems = problems_of({"name": "a", "builtAt": text})
    assert list(problems) == ["builtAt"]
    assert problems["builtAt"].startswith(f"expected {message}, got the text")


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-29T12:00:00Z",
        "2024-02-29t12:00:00z",
        "2024-02-29T12:00:00.000000000+00:00",
        "2024-02-29T13:30:00+01:30",
        "2024-02-29T07:00:00-05:00",
    ],
)
def test_times_come_out_in_utc(text: str) -> None:
    built_at = decode(Cart, {"name": "a", "builtAt": text}).built_at
    assert built_at is not None
    assert (built_at, built_at.tzinfo) == (datetime(2024, 2, 29, 12, tzinfo=UTC), UTC)


def test_times_are_written_in_utc() -> None:
    built_at = datetime(2024, 2, 29, 13, tzinfo=timezone(timedelta(hours=1)))
    assert encode(Cart(name="a", built_at=built_at), omit_defaults=True) == {
        "name": "a",
        "builtAt": "2024-02-29T12:00:00Z",
    }


def test_a_time_without_offset_is_not_written() -> None:
    built_at = datetime(2024, 2, 29, 13)  # noqa: DTZ001 - what is refused
    with pytest.raises(TypeError, match="offset"):
        encode(Cart(name="a", built_at=built_at))


def test_every_problem_is_found_in_one_go() -> None:
    document: JsonValue = {
        "load": "7",
        "wheels": [{"size": 1}, {"size": 0}, {}, {"size": 1, "spokes": 3}, 5],
        "signs": {"left": 1, 'qu"ote': 2},
        "colour": None,
        "wings": 2,
        "built_at": "2024-02-29T12:00:00Z",
    }
    assert problems_of(document) == {
        "wings": "unknown field",
        "built_at": "unknown field",
        "name": "missing",
        "load": 'expected a whole number, got the text "7"',
        "wheels[1]": "a wheel has a size, not 0",
        "wheels[2].size": "missing",
        "wheels[3].spokes": "unknown field",
        "wheels[4]": "expected an object, got the number 5",
        'signs["left"]': "expected a text, got the number 1",
        'signs["qu\\"ote"]': "expected a text, got the number 2",
        "colour": "expected one of red, blue, got null",
    }


def test_a_contradiction_is_told_beside_an_unknown_field() -> None:
    assert problems_of({"name": "hay", "spare": {"size": 0, "spokes": 3}}) == {
        "spare.spokes": "unknown field",
        "spare": "a wheel has a size, not 0",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Axle:
    left: str = ""
    right: str = ""

    def __post_init__(self) -> None:
        if self.left != self.right:
            raise DecodeError((Problem(path="right", message=f"expected {self.left}"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waggon:
    axles: tuple[Axle, ...]


def test_a_class_can_name_the_place_of_its_own_contradictions() -> None:
    with pytest.raises(DecodeError) as caught:
        decode(Waggon, {"axles": [{}, {"left": "oak"}]})
    assert str(caught.value) == "axles[1].right: expected oak"


def test_unknown_fields_can_be_ignored_at_every_depth() -> None:
    document: JsonValue = {"name": "a", "wings": 2, "wheels": [{"size": 1, "spokes": 3}]}
    cart = decode(Cart, document, unknown=UnknownFields.IGNORE)
    assert cart == Cart(name="a", wheels=(Wheel(size=1),))


@pytest.mark.parametrize(
    ("key", "path"),
    [("a\0b", '"a\\u0000b"'), ("\ud800", '"\\ud800"'), ("x" * 1000, "x" * 60)],
)
def test_the_path_of_a_strange_field_can_be_logged(key: str, path: str) -> None:
    assert problems_of({"name": "a", key: 1}) == {path: "unknown field"}


@pytest.mark.parametrize("document", [None, True, 7, 0.5, "text", []])
def test_what_is_no_object_is_no_cart(document: JsonValue) -> None:
    assert list(problems_of(document)) == [""]


def test_problems_are_counted_but_not_told_without_end() -> None:
    with pytest.raises(DecodeError) as caught:
        decode(Cart, {"name": "a", "wheels": [0] * 5000})
    assert len(caught.value.problems) == 100
    assert str(caught.value).endswith("wheels[9]: expected an object, got the number 0; and many more")
    with pytest.raises(DecodeError, match=r"wheels\[9\].*; and 2 more$"):
        decode(Cart, {"name": "a", "wheels": [0] * 12})


def test_a_refusal_is_seen_from_the_document_around() -> None:
    error = DecodeError(
        (Problem(path="", message="a"), Problem(path="x", message="b"), Problem(path="[0]", message="c"))
    )
    assert str(error.under("spec")) == "spec: a; spec.x: b; spec[0]: c"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON: Expecting value at line 1 column 1"),
        (b"{", "not JSON: Expecting property name enclosed in double quotes at line 1 column 2"),
        (b"{} {}", "not JSON: Extra data at line 1 column 4"),
        (b'{"a": NaN}', "not JSON: NaN is no JSON number"),
        (b'{"a": -Infinity}', "not JSON: -Infinity is no JSON number"),
        (b'{"a": 1e999}', "not JSON: a number is too large"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b'"\xed\xa0\x80"', "not UTF-8 at byte 1"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8 at byte 0"),
        (b"[" * 1500, "nested too deeply"),
        (b" " * 2001, "2001 bytes are more than the 2000 allowed"),
    ],
)
def test_what_is_no_json_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        parse_json(data, limit=2000)
    assert caught.value.problems == (Problem(path="", message=message),)


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(DecodeError, match="not JSON"):
        parse_json(b"9" * 5000, limit=5000)


def test_json_is_written_compact_and_in_one_order() -> None:
    assert dump_json({"b": [1, "ü"], "a": None}) == '{"a":null,"b":[1,"ü"]}'.encode()


def test_names_are_written_as_json_has_them() -> None:
    assert [json_name(name) for name in ("uid", "ready_seconds", "a_b_c")] == ["uid", "readySeconds", "aBC"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported:
    raw: bytes


def test_a_type_outside_the_contract_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="bytes"):
        decode(Unsupported, {"raw": "x"})
    with pytest.raises(TypeError, match="bytes"):
        encode(Unsupported(raw=b"x"))


def test_what_may_be_none_is_none_where_encoding_left_it_out() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Reading:
        taken: int
        unit: str | None

    reading = Reading(taken=3, unit=None)
    assert encode(reading) == {"taken": 3}
    assert decode(Reading, encode(reading)) == reading
