"""What a digest names is remembered, but not without end."""

from polyfleet_controller.registry.cache import BoundedCache


def test_the_values_used_last_are_kept() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(key) for key in ("a", "b", "c")] == [1, None, 3]


def test_a_value_is_replaced_without_crowding_out_another() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 3)
    assert [cache.get(key) for key in ("a", "b")] == [3, 2]
