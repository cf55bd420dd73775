"""A prompt test, as Helicone's own guide has it: an app tries two system prompts, people rate, one is better."""

import asyncio
import json
import random
from collections import Counter

import openai
import pytest

from harness.benches import Bench, StartBench, document
from harness.loops import LoopThread
from harness.wire import wait_until
from sdks.conftest import url_of

PROMPTS = {
    "A": "You answer questions about salt.",
    "B": "You answer questions about salt in one short sentence, and name your source.",
}
LIKED = {"A": 0.55, "B": 0.9}
"""How many of the answers of each people like, if all were asked."""
RATED = 0.75
"""How many answers are rated at all."""
Z = 1.959963984540054
COMPARE = "/feedback/compare?by=property.Prompt-Version&where=property.Experiment=prompt-test-1&since=30d"
UNHURRIED = {"delivery.burst": 1_000, "delivery.first_look_seconds": 1.0}


async def run(url: str, version: str, calls: int) -> list[str]:
    """What the app does; gives the ids of the answers, as the SDK shows them."""
    headers = {"Helicone-Property-Prompt-Version": version, "Helicone-Property-Experiment": "prompt-test-1"}
    async with openai.AsyncOpenAI(base_url=url, api_key="sk-demo", default_headers=headers) as client:
        made = await asyncio.gather(
            *(
                client.chat.completions.create(
                    model="gpt-4o-mini",
                    messages=[
                        {"role": "system", "content": PROMPTS[version]},
                        {"role": "user", "content": f"Where does salt come from? {number}"},
                    ],
                )
                for number in range(calls)
            )
        )
    return [each.id for each in made]


def rate(
    bench: Bench, chance: random.Random, answers: dict[str, list[str]], given: Counter[tuple[str, bool]]
) -> None:
    """What people do who see the answers."""
    ratings = []
    for version, ids in answers.items():
        for call_id in ids:
            if chance.random() < RATED:
                up = chance.random() < LIKED[version]
                given[version, up] += 1
                ratings.append({"id": call_id, "rating": up})
    said = document(
        bench.ask("POST", "/feedback/batch", json.dumps(ratings).encode(), b"Content-Type: application/json")
    )
    assert said["taken"] == len(ratings)
    wait_until(
        lambda: sum(row.rating is not None for row in bench.standin.ledger.rows) == given.total(),
        "Helicone has all ratings",
    )


def ends(up: int, number: int) -> tuple[float, float]:
    """The shares that a score test at 5 % does not reject: Wilson's interval, by the question that it answers."""
    share = up / number

    def edge(far: float) -> float:
        near = share
        for _ in range(100):
            middle = (near + far) / 2
            if (share - middle) ** 2 <= Z * Z * middle * (1 - middle) / number:
                near = middle
            else:
                far = middle
        return near

    return edge(0.0), edge(1.0)


def test_compare_names_the_better_prompt_and_says_before_that_it_is_too_early(
    start_bench: StartBench, loop: LoopThread
) -> None:
    bench, chance, given = start_bench(**UNHURRIED), random.Random(4), Counter[tuple[str, bool]]()
    url = f"{url_of(bench.sidecar)}/v1"
    bench.chat(b"Helicone-Property-Prompt-Version: A")  # of no experiment

    answers = {version: asyncio.run(run(url, version, 8)) for version in PROMPTS}
    rate(bench, chance, answers, given)
    early = document(bench.get(COMPARE))
    assert early["source"] == "helicone"
    assert early["verdict"]["finding"] == "too_early"
    assert early["verdict"]["sentence"].startswith("It is too early to tell: “")
    assert all(number > 0 for number in early["verdict"]["more"].values())

    answers = {version: asyncio.run(run(url, version, 92)) for version in PROMPTS}
    rate(bench, chance, answers, given)
    found = document(bench.get(COMPARE))
    assert found["verdict"]["finding"] == "better"
    assert found["verdict"]["sentence"].startswith("“B” is better than “A”: ")
    versions = {each["value"]: each for each in found["variants"]}
    assert set(versions) == {"A", "B"}
    shares, intervals = {}, {}
    for version, each in versions.items():
        up, down = given[version, True], given[version, False]
        assert (each["up"], each["down"], each["rated"], each["calls"]) == (up, down, up + down, 100)
        shares[version], intervals[version] = up / (up + down), ends(up, up + down)
        assert each["share"] == pytest.approx(shares[version])
        assert [each["interval"][end] for end in ("low", "high")] == pytest.approx(
            intervals[version], abs=1e-9
        )
    difference = found["verdict"]["difference"]
    by = shares["B"] - shares["A"]
    low = by - ((shares["B"] - intervals["B"][0]) ** 2 + (intervals["A"][1] - shares["A"]) ** 2) ** 0.5
    high = by + ((intervals["B"][1] - shares["B"]) ** 2 + (shares["A"] - intervals["A"][0]) ** 2) ** 0.5
    assert difference["by"] == pytest.approx(by)
    assert [difference["interval"][end] for end in ("low", "high")] == pytest.approx([low, high], abs=1e-9)
    # What people really like lies within.
    assert low < LIKED["B"] - LIKED["A"] < high
    assert (found["calls"], found["without"], found["notes"]) == (200, 0, [])
