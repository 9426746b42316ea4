"""Rules for the tests: what they wait for, and what they may not leave out."""

import ast

from architecture.sources import imported_names, modules

# Anything that ends a wait by the clock, or measures one: wait on a condition (tests/waiting.py) instead.
CLOCKS = {"time.sleep", "time.monotonic", "time.perf_counter", "asyncio.sleep", "time"}
LEFT_OUT = {"skip", "skipif", "skipIf", "xfail", "importorskip"}
IMITATIONS = {"unittest.mock", "mock", "pytest_mock"}


def test_no_test_waits_by_the_clock_or_asserts_on_it() -> None:
    found = [
        f"{path}: {name}"
        for path, module in modules("tests")
        if "bench" not in path.parts
        for name in imported_names(module)
        if name in CLOCKS
    ]
    assert found == []


def test_no_test_is_left_out() -> None:
    found = [
        f"{path}:{node.lineno}: {node.attr}"
        for path, module in modules("tests")
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and node.attr in LEFT_OUT
    ]
    assert found == []


def test_no_real_part_is_imitated_by_a_mock() -> None:
    found = [
        f"{path}: {name}"
        for path, module in modules("tests")
        for name in imported_names(module)
        if any(name == mock or name.startswith(f"{mock}.") for mock in IMITATIONS)
    ]
    assert found == []
