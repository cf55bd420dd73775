"""What waits to be judged is bounded, by number and by size."""

import pytest

from proxy.rules.cases import Case
from proxy.rules.jobs import Job
from proxy.rules.queue import MOST_BYTES, MOST_JOBS, JobQueue


@pytest.mark.parametrize(("size", "most"), [(0, MOST_JOBS), (MOST_BYTES // 4, 4)])
def test_what_is_beyond_the_bound_is_not_taken_until_there_is_room(size: int, most: int) -> None:
    queue, case = JobQueue(), Case("a", "b")
    job = Job(bytes(size), streamed=False, coding=b"", rules=[0])
    assert all(queue.put(job, case) for _ in range(most))
    assert not queue.put(job, case)
    assert len(queue.take(1)) == 1
    assert queue.put(job, case)
    assert not queue.put(job, case)
