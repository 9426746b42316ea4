"""Rules for the product's code that no linter knows."""

import ast
import sys

from architecture.sources import AGENT, CONTROLLER, SHARED, called_names, files, imported_names, modules, read

MAX_LINES = 400

AGENT_DEPENDENCIES = {"paho", "podman", "psutil", "polyfleet_agent", "polyfleet_shared"}
# In the standard library, and yet too large for a small board's memory, or a second way to do one thing.
AGENT_REFUSES = {"asyncio", "multiprocessing", "http", "sqlite3"}

PURE = (SHARED, f"{AGENT}/core", f"{CONTROLLER}/domain")
IMPURE_CALLS = {"now", "utcnow", "today", "time", "monotonic", "uuid1", "uuid4", "open", "print", "input"}
COLLECTIONS = {"bytearray", "defaultdict", "deque", "dict", "list", "set", "Counter", "OrderedDict"}

# Module to reason.
FILLED_LATER = {f"{SHARED}/codec.py": "a function per type, made once; what it answers never changes"}

# Where anything at all may go wrong and the process must live on.
BROAD_EXCEPT_ALLOWED = {f"{AGENT}/runner.py"}


def test_a_module_holds_one_idea() -> None:
    lengths = {
        str(path): len(read(path).splitlines()) for path in files(AGENT, CONTROLLER, SHARED, suffix=".py")
    }
    too_long = {path for path, length in lengths.items() if length > MAX_LINES}
    assert too_long == set()


def test_the_agent_imports_nothing_that_a_small_device_lacks() -> None:
    allowed = (AGENT_DEPENDENCIES | sys.stdlib_module_names) - AGENT_REFUSES
    found = [
        f"{path}: {name}"
        for path, module in modules(AGENT, SHARED)
        for name in imported_names(module)
        if name.split(".")[0] not in allowed
    ]
    assert found == []


def test_decisions_read_no_clock_and_keep_no_state() -> None:
    found = [
        f"{path}:{line}: calls {name}"
        for path, module in modules(*PURE)
        for name, line in called_names(module)
        if name in IMPURE_CALLS
    ]
    found += [
        f"{path}:{node.lineno}: {type(node).__name__.lower()}"
        for path, module in modules(*PURE)
        for node in ast.walk(module)
        if isinstance(node, ast.Global | ast.Nonlocal)
    ]
    found += [
        f"{path}:{node.lineno}: made to be filled"
        for path, module in modules(*PURE)
        if str(path) not in FILLED_LATER
        for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and is_empty_collection(node.value)
    ]
    assert found == []


def is_empty_collection(value: ast.expr | None) -> bool:
    """Say whether an expression makes a collection that only makes sense if somebody changes it later."""
    match value:
        case ast.Dict(keys=[]) | ast.List(elts=[]):
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in COLLECTIONS
        case _:
            return False


def test_no_error_is_caught_that_was_not_foreseen() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, module in modules(AGENT, CONTROLLER, SHARED)
        if str(path) not in BROAD_EXCEPT_ALLOWED
        for node in ast.walk(module)
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type)
    ]
    assert found == []


def is_broad(caught: ast.expr | None) -> bool:
    """Say whether an `except` clause takes errors that nobody foresaw."""
    match caught:
        case None | ast.Name(id="Exception" | "BaseException"):
            return True
        case ast.Tuple(elts=elements):
            return any(map(is_broad, elements))
        case _:
            return False
