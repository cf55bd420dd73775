"""What waits to be judged is bounded, by number and by size."""

import pytest

from proxy.calls.live_call import LiveCall
from proxy.rules.queue import MOST_BYTES, MOST_JOBS, JobQueue, Waiting


@pytest.mark.parametrize(("size", "most"), [(0, MOST_JOBS), (MOST_BYTES // 4, 4)])
def test_what_is_beyond_the_bound_is_not_taken_until_there_is_room(size: int, most: int) -> None:
    queue = JobQueue()
    waiting = Waiting(LiveCall(b"POST", b"/v1/chat/completions", 0.0), bytes(size), [0])
    assert all(queue.put(waiting) for _ in range(most))
    assert not queue.put(waiting)
    assert len(queue.take(1)) == 1
    assert queue.put(waiting)
    assert not queue.put(waiting)
