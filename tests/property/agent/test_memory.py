"""What is remembered of releases is read back as it was written; one spoiled entry costs no other."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from polyfleet_agent.core.memory import FailedRelease, ReadMemory, Record, read_memory, write_memory
from polyfleet_shared.json_text import JsonValue, dump_json, parse_json
from polyfleet_shared.workloads import DesiredWorkload
from strategies import desired_workloads, is_encodable, json_values, names, reasons, texts

failures = st.builds(
    FailedRelease, spec_hash=names, release=texts, reason=reasons, message=texts, container=texts
)


def record_of(good: DesiredWorkload | None, failed: list[FailedRelease]) -> Record:
    """A record as a device's life would make it."""
    record = Record() if good is None else Record().with_good(good, good.spec_hash)
    for item in failed:
        record = record.with_failed(item)
    return record


records = st.dictionaries(
    names, st.builds(record_of, st.none() | desired_workloads, st.lists(failures, max_size=3)), max_size=3
)


@given(records)
def test_what_was_written_is_read(kept: dict[str, Record]) -> None:
    assert read_memory(write_memory(kept.items())) == ReadMemory(records=kept)


@given(records, json_values)
def test_an_entry_that_cannot_be_read_is_told_and_costs_no_other(
    kept: dict[str, Record], spoiled: JsonValue
) -> None:
    document = parse_json(write_memory(kept.items()), limit=1 << 20)
    assert isinstance(document, dict)
    entries = document["records"]
    assert isinstance(entries, list)
    spoiled = {"uid": 7, "good": spoiled}
    assume(is_encodable(spoiled))
    read = read_memory(dump_json({"records": [spoiled, *entries]}))
    assert read.records == kept
    assert [problem.startswith("records[0].") for problem in read.problems] == [True]


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_told(payload: bytes) -> None:
    read = read_memory(payload)
    assert (read.records, len(read.problems)) == ({}, 1)


@given(st.lists(failures, min_size=1, max_size=20, unique_by=lambda item: item.spec_hash))
def test_the_newest_failures_are_remembered(failed: list[FailedRelease]) -> None:
    assert record_of(None, failed).failed == tuple(failed[-8:])


@given(desired_workloads, failures)
def test_what_passed_has_not_failed(workload: DesiredWorkload, failure: FailedRelease) -> None:
    record = Record().with_failed(replace(failure, spec_hash=workload.spec_hash)).with_failed(failure)
    after = record.with_good(workload, workload.spec_hash)
    assert after.failure(workload.spec_hash) is None
    assert (after.good, after.good_hash) == (replace(workload, prefetch=()), workload.spec_hash)
