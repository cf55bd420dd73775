"""Forty calls of every kind at once through one sidecar: each gets its own answer, and each can be rated."""

import hashlib
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier

import anthropic
import openai

from harness.loops import DEADLINE_SECONDS
from harness.sidecars import RunningSidecar
from proxy.demo import StandIn
from sdks.conftest import url_of
from sdks.feedback import Feedback
from sdks.openai_calls import FIXED_BOUNDARY
from sdks.recording import SEEDED

CALLS_AT_ONCE = 40


@dataclass(frozen=True)
class Told:
    """What one call gave: its parsed result, the hash of its raw body, and the id to rate it by."""

    result: object
    sha256: str
    feedback_id: str | None = field(compare=False)


@dataclass(frozen=True)
class Sdks:
    """Both SDKs at one base URL, as an app with many threads shares them."""

    openai: openai.OpenAI
    anthropic: anthropic.Anthropic


def told(result: object, body: bytes, feedback_id: str | None) -> Told:
    return Told(result, hashlib.sha256(body).hexdigest(), feedback_id)


def chat(sdks: Sdks, number: int) -> Told:
    raw = sdks.openai.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=[{"role": "user", "content": f"chat {number} " + "x" * number * 100}]
    )
    return told(raw.parse().model_dump(), raw.content, raw.headers.get("Feedback-Id"))


def chat_streamed(sdks: Sdks, number: int) -> Told:
    with sdks.openai.chat.completions.with_streaming_response.create(
        model="gpt-4o", messages=[{"role": "user", "content": f"stream {number}"}], stream=True
    ) as raw:
        body = b"".join(raw.iter_bytes())
        return told(body.count(b"data: "), body, raw.headers.get("Feedback-Id"))


def message(sdks: Sdks, number: int) -> Told:
    raw = sdks.anthropic.messages.with_raw_response.create(
        model="claude-sonnet-5", max_tokens=9, messages=[{"role": "user", "content": f"message {number}"}]
    )
    return told(raw.parse().model_dump(), raw.read(), raw.headers.get("Feedback-Id"))


def message_streamed(sdks: Sdks, number: int) -> Told:
    with sdks.anthropic.messages.stream(
        model="claude-sonnet-5", max_tokens=9, messages=[{"role": "user", "content": f"events {number}"}]
    ) as stream:
        made = stream.get_final_message().model_dump()
        return told(made, repr(made).encode(), stream.response.headers.get("Feedback-Id"))


def response(sdks: Sdks, number: int) -> Told:
    raw = sdks.openai.responses.with_raw_response.create(model="gpt-4o", input=f"response {number}")
    return told(raw.parse().model_dump(), raw.content, raw.headers.get("Feedback-Id"))


def embeddings(sdks: Sdks, number: int) -> Told:
    raw = sdks.openai.embeddings.with_raw_response.create(
        model="text-embedding-3-small", input=f"text {number}", dimensions=3072
    )
    return told(raw.parse().model_dump(), raw.content, raw.headers.get("Feedback-Id"))


def upload(sdks: Sdks, number: int) -> Told:
    content = random.Random(number).randbytes(1_000_000)
    raw = sdks.openai.files.with_raw_response.create(
        file=(f"{number}.bin", content), purpose="batch", extra_headers=FIXED_BOUNDARY
    )
    made = raw.parse()
    assert made.model_extra == {"sha256": hashlib.sha256(content).hexdigest()}
    return told(made.model_dump(), raw.content, raw.headers.get("Feedback-Id"))


def download(sdks: Sdks, number: int) -> Told:
    raw = sdks.openai.files.with_raw_response.content(f"file-{number}", extra_query={"bytes": 1_000_000})
    return told(len(raw.content), raw.content, raw.headers.get("Feedback-Id"))


KINDS: tuple[Callable[[Sdks, int], Told], ...] = (
    chat,
    chat_streamed,
    message,
    message_streamed,
    response,
    embeddings,
    upload,
    download,
)


def all_at_once(url: str) -> list[Told]:
    """Forty calls, begun at the same moment in as many threads."""
    together = Barrier(CALLS_AT_ONCE)
    with (
        openai.OpenAI(
            base_url=f"{url}/v1", api_key="sk-demo", default_headers=SEEDED, max_retries=0
        ) as for_openai,
        anthropic.Anthropic(
            base_url=url, api_key="sk-ant-demo", default_headers=SEEDED, max_retries=0
        ) as for_anthropic,
        ThreadPoolExecutor(CALLS_AT_ONCE) as threads,
    ):
        sdks = Sdks(for_openai, for_anthropic)

        def call(number: int) -> Told:
            together.wait(DEADLINE_SECONDS)
            return KINDS[number % len(KINDS)](sdks, number)

        return list(threads.map(call, range(CALLS_AT_ONCE)))


def test_every_answer_is_right_and_every_call_is_remembered_and_rated_by_its_id(
    standin: StandIn, sidecar: RunningSidecar, feedback: Feedback
) -> None:
    direct = all_at_once(standin.gateway_url)
    standin.gateway.clear()
    through = all_at_once(url_of(sidecar))
    assert through == direct

    remembered = {call["id"] for call in feedback.ask("GET", "?limit=1000").document["calls"]}
    ids = [each.feedback_id for each in through if each.feedback_id is not None]
    assert len(ids) == len(set(ids)) == CALLS_AT_ONCE
    assert set(ids) == remembered

    kind_of = {each: KINDS[number % len(KINDS)] for number, each in enumerate(ids)}
    ratable = [each for each in ids if kind_of[each] is not upload and kind_of[each] is not download]
    thumbs = dict(zip(ratable, random.Random(40).choices((True, False), k=len(ratable)), strict=True))
    with ThreadPoolExecutor(CALLS_AT_ONCE) as threads:
        said = list(threads.map(lambda item: feedback.rate(item[0], up=item[1]), thumbs.items()))
    assert [each["rated"]["id"] for each in said] == ratable
    assert {each: standin.ledger.rating_of(each) for each in ratable} == thumbs


def test_last_is_one_of_those_that_ran_at_once_and_its_thumb_lands_there(
    standin: StandIn, sidecar: RunningSidecar, feedback: Feedback
) -> None:
    through = all_at_once(url_of(sidecar))
    rated = feedback.rate("last", up=True)["rated"]["id"]
    assert rated in {each.feedback_id for each in through}
    assert [row.request_id for row in standin.ledger.rows if row.rating is not None] == [rated]
