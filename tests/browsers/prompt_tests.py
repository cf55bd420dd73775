"""An experiment with versions of a prompt, whose answers some people have rated."""

import json
from collections.abc import Mapping

from harness.benches import JSON, Bench, document, id_of
from harness.wire import wait_until

EXPERIMENT = "prompt-test-1"


def hold(bench: Bench, versions: Mapping[str, tuple[int, int, int]], **scores: int) -> None:
    """Make calls of each version: so many with a thumb up, with a thumb down, and unrated. Those that are up have
    the scores, too.
    """
    ratings: list[dict[str, object]] = []
    for version, (up, down, unrated) in versions.items():
        lines = (
            b"Helicone-Property-Prompt-Version: " + version.encode(),
            b"Helicone-Property-Experiment: " + EXPERIMENT.encode(),
            b"Helicone-User-Id: ann",
        )
        ids = [id_of(bench.chat(*lines)) for _ in range(up + down + unrated)]
        ratings += [{"id": each, "rating": True, "scores": scores} for each in ids[:up]]
        ratings += [{"id": each, "rating": False} for each in ids[up : up + down]]
    if ratings:
        before = _rated(bench)
        said = document(bench.ask("POST", "/feedback/batch", json.dumps(ratings).encode(), JSON))
        assert said["taken"] == len(ratings)
        wait_until(lambda: _rated(bench) == before + len(ratings), "Helicone has all ratings")


def _rated(bench: Bench) -> int:
    return sum(row.rating is not None for row in bench.standin.ledger.rows)
