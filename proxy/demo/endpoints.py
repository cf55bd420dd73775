"""What the gateway answers where: one table, and a function per route."""

import re
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from .answers import chat, messages, plain, responses
from .answers.answer import Answer, JsonObject, ProviderRefusal, json_answer, openai_error
from .answers.seeds import Seed
from .call import Call

Endpoint = Callable[[Call], Awaitable[Answer]]
Model = Callable[[JsonObject, Seed], Answer]

MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "/v1/chat/completions": chat.chat_completion,
        "/v1/completions": chat.completion,
        "/v1/responses": responses.response,
        "/v1/messages": messages.message,
        "/v1/embeddings": plain.embeddings,
        "/v1/images/generations": plain.images,
        "/v1/moderations": plain.moderation,
        "/v1/audio/speech": plain.speech,
    }
)
"""POST routes that take JSON: the answer is a function of it."""

FILE = re.compile(r"/v1/files/(?P<id>[^/]+)")
CONTENT = re.compile(r"/v1/files/(?P<id>[^/]+)/content")
MODEL = re.compile(r"/v1/models/(?P<name>.+)")


class Provider:
    """The providers behind the gateway, in one. Remembers the files that were uploaded."""

    def __init__(self, download_bytes: int) -> None:
        self._download_bytes = download_bytes
        self._files: dict[str, JsonObject] = {}

    async def answer(self, call: Call) -> Answer:
        """The provider's answer to `call`, its refusals included."""
        try:
            if call.request.method == "POST" and call.path in MODELS:
                return _modelled(MODELS[call.path], await call.json(), call.seed())
            return await self._endpoint(call)(call)
        except ProviderRefusal as refusal:
            if call.path.startswith("/v1/messages"):
                refusal = messages.in_anthropic_words(refusal)
            return refusal.answer()

    def _endpoint(self, call: Call) -> Endpoint:
        method = "GET" if call.request.method == "HEAD" else call.request.method
        fixed: dict[tuple[str, str], Endpoint] = {
            ("GET", "/v1/models"): self._models,
            ("POST", "/v1/files"): self._upload,
            ("GET", "/v1/files"): self._list_files,
            ("POST", "/v1/audio/transcriptions"): self._transcribe,
            ("POST", "/v1/messages/count_tokens"): self._count_tokens,
        }
        if found := fixed.get((method, call.path)):
            return found
        if method == "OPTIONS":
            return self._preflight
        if method == "GET" and CONTENT.fullmatch(call.path):
            return self._download
        if FILE.fullmatch(call.path) and method in {"GET", "DELETE"}:
            return self._file if method == "GET" else self._delete
        if method == "GET" and MODEL.fullmatch(call.path):
            return self._model
        return self._nowhere

    async def _models(self, _: Call) -> Answer:
        return plain.models()

    async def _model(self, call: Call) -> Answer:
        return plain.one_model(call.path.removeprefix("/v1/models/"))

    async def _upload(self, call: Call) -> Answer:
        form = await call.form()
        part = form.named("file")
        if part is None:
            raise openai_error(400, "'file' is a required property")
        purpose = form.named("purpose")
        seed = call.seed()
        document = plain.file_object(
            seed.name("file-", 22),
            part.filename or "file",
            purpose.start.decode(errors="replace") if purpose else "user_data",
            part.size,
            seed.created,
        )
        # Not OpenAI's: it lets a caller see that every byte arrived.
        document["sha256"] = part.sha256
        self._files[document["id"]] = document
        return json_answer(document)

    async def _list_files(self, _: Call) -> Answer:
        files = list(self._files.values())
        ends = {"first_id": files[0]["id"], "last_id": files[-1]["id"]} if files else {}
        return json_answer({"object": "list", "data": files, "has_more": False, **ends})

    async def _file(self, call: Call) -> Answer:
        return json_answer(self._known(_file_id(call)))

    async def _delete(self, call: Call) -> Answer:
        file_id = _file_id(call)
        self._known(file_id)
        del self._files[file_id]
        return json_answer({"id": file_id, "object": "file", "deleted": True})

    def _known(self, file_id: str) -> JsonObject:
        if file_id not in self._files:
            raise openai_error(404, f"No such File object: {file_id}", param="id")
        return self._files[file_id]

    async def _download(self, call: Call) -> Answer:
        # Any id will do, and the bytes depend on it alone: uploads are counted, not kept.
        size = int(call.request.query.get("bytes", self._download_bytes))
        return plain.binary(_file_id(call), size)

    async def _transcribe(self, call: Call) -> Answer:
        part = (await call.form()).named("file")
        if part is None:
            raise openai_error(400, "'file' is a required property")
        return plain.transcription(part.size, part.sha256)

    async def _count_tokens(self, call: Call) -> Answer:
        return messages.count_tokens(await call.json())

    async def _preflight(self, _: Call) -> Answer:
        allowed = (
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Allow-Methods", "GET, OPTIONS, POST"),
        )
        return Answer(pieces=(), length_bytes=0, content_type="text/plain", headers=allowed)

    async def _nowhere(self, call: Call) -> Answer:
        await call.body()
        method = call.request.method
        if call.path in MODELS:
            raise openai_error(
                405,
                f"Not allowed to {method} on {call.path} "
                "(HINT: perhaps you meant to use a different HTTP method?)",
                code="method_not_supported",
            )
        raise openai_error(404, f"Invalid URL ({method} {call.path})")


def _modelled(model: Model, document: JsonObject, seed: Seed) -> Answer:
    try:
        return model(document, seed)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # The models read the caller's JSON as if it had the right shape.
        raise openai_error(400, f"Invalid type or value in the request: {error}") from error


def _file_id(call: Call) -> str:
    return call.path.split("/")[3]
