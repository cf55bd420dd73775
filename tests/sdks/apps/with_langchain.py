"""An app made with LangChain. It writes down the ids that LangChain gives it, one a line."""

import asyncio
import json
import sys

from langchain_core.messages import BaseMessageChunk
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str
    rating: int | None


def write(how: str, words: str, held: object) -> None:
    """One id on a line of its own."""
    print(json.dumps({"how": how, "words": words, "id": held}))  # noqa: T201


def raw_id(result: object) -> str:
    """The id of the message beside what was parsed from it."""
    assert isinstance(result, dict)
    assert isinstance(result["parsed"], Joke)
    return str(result["raw"].response_metadata["id"])


def by_chat(url: str) -> None:
    """Chat Completions, LangChain's default."""
    model = ChatOpenAI(model="gpt-4o", base_url=url, api_key=SecretStr("sk-demo"), max_retries=0)
    message = model.invoke("lc: invoke")
    write("invoke", "lc: invoke", message.response_metadata["id"])
    write("ainvoke", "lc: ainvoke", asyncio.run(model.ainvoke("lc: ainvoke")).response_metadata["id"])
    shaped = model.with_structured_output(Joke, include_raw=True).invoke("lc: shaped")
    write("structured output", "lc: shaped", raw_id(shaped))
    shaped = model.with_structured_output(Joke, include_raw=True, method="function_calling").invoke(
        "lc: tool"
    )
    write("structured output by a tool", "lc: tool", raw_id(shaped))

    # The chunks of a streamed chat carry no id of the answer's: the app names the call itself, ...
    assert list(model.stream("lc: named", extra_headers={"X-Client-Request-Id": "lc-chat-42"}))
    write("streamed, named by the app", "lc: named", "lc-chat-42")
    # ... or has the head's lines put beside the message.
    told = model.model_copy(update={"include_response_headers": True})
    heads = [chunk.response_metadata.get("headers") for chunk in told.stream("lc: headers")]
    write("streamed, with response headers", "lc: headers", next(filter(None, heads))["x-request-id"])


def by_responses(url: str) -> None:
    """The Responses API."""
    model = ChatOpenAI(
        model="gpt-4o", base_url=url, api_key=SecretStr("sk-demo"), max_retries=0, use_responses_api=True
    )
    write("responses, invoke", "lc: response", model.invoke("lc: response").id)
    begun, *rest = model.stream("lc: responses streamed")
    write("responses streamed, the first chunk", "lc: responses streamed", begun.response_metadata["id"])
    begun, *rest = model.stream("lc: summed")
    whole: BaseMessageChunk = begun
    for chunk in rest:
        whole = whole + chunk
    write("responses streamed, the whole message", "lc: summed", whole.id)
    shaped = model.with_structured_output(Joke, include_raw=True).invoke("lc: responses shaped")
    write("responses, structured output", "lc: responses shaped", raw_id(shaped))


if __name__ == "__main__":
    by_chat(f"{sys.argv[1]}/v1")
    by_responses(f"{sys.argv[1]}/v1")
