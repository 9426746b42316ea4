"""Lanes keep slow work apart and bounded."""

import queue
import threading
from functools import partial

from polyfleet_agent.lanes import Lane
from waiting import wait_until

WAIT = 10


def test_as_much_runs_at_once_as_the_lane_is_wide_and_the_rest_waits() -> None:
    lane = Lane("test", 2)
    begun: queue.SimpleQueue[int] = queue.SimpleQueue()
    gates = [threading.Event() for _ in range(3)]

    def work(number: int) -> None:
        begun.put(number)
        gates[number].wait(WAIT)

    for number in range(3):
        lane.submit(partial(work, number))
    assert {begun.get(timeout=WAIT), begun.get(timeout=WAIT)} == {0, 1}
    assert begun.empty()
    gates[0].set()
    assert begun.get(timeout=WAIT) == 2
    gates[1].set()
    gates[2].set()


def test_an_idle_thread_is_used_again() -> None:
    lane = Lane("test", 8)
    threads: queue.SimpleQueue[str] = queue.SimpleQueue()
    lane.submit(lambda: threads.put(threading.current_thread().name))
    first = threads.get(timeout=WAIT)
    wait_until(lambda: lane.idle, describe="the thread is idle again")
    lane.submit(lambda: threads.put(threading.current_thread().name))
    assert threads.get(timeout=WAIT) == first
