"""Answers that are one document or one file: embeddings, models, images, moderations, files, speech."""

import base64
import math
import struct
import zlib

from .answer import Answer, JsonObject, json_answer, openai_error, required
from .seeds import Seed, pseudo_random_blocks, tokens_of

MODELS = ("gpt-4o", "gpt-4o-mini", "o4-mini", "text-embedding-3-small", "claude-sonnet-5", "gpt-image-1")
EMBEDDING_DIMENSIONS = 32
"""Fewer than the real 1,536: the answer stays readable. `dimensions` changes it."""

MODERATION_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


def embeddings(request: JsonObject, _seed: Seed) -> Answer:
    """Unit vectors, as numbers or, when asked, as base64 of little-endian 32-bit floats."""
    model = str(required(request, "model"))
    given = required(request, "input")
    # A list of numbers is one text in tokens; any other list is several texts.
    texts = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    size = int(request.get("dimensions") or EMBEDDING_DIMENSIONS)
    encoded = request.get("encoding_format") == "base64"
    data = []
    for index, text in enumerate(texts):
        vector = _unit_vector(f"{model}/{text}", size)
        value = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode() if encoded else vector
        data.append({"object": "embedding", "index": index, "embedding": value})
    count = sum(len(tokens_of(str(text))) for text in texts)
    document = {
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }
    return json_answer(document, model=model, tokens=(count, 0))


def _unit_vector(name: str, size: int) -> list[float]:
    raw = b"".join(pseudo_random_blocks(name, size * 2))
    numbers = [value / 32_768 for (value,) in struct.iter_unpack("<h", raw)]
    norm = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [number / norm for number in numbers]


def models() -> Answer:
    """The list of models."""
    return json_answer({"object": "list", "data": [_model(name) for name in MODELS]})


def one_model(name: str) -> Answer:
    """One model, or OpenAI's 404."""
    if name not in MODELS:
        raise openai_error(404, f"The model '{name}' does not exist", param="model", code="model_not_found")
    return json_answer(_model(name))


def _model(name: str) -> JsonObject:
    return {"id": name, "object": "model", "created": 1_715_367_049, "owned_by": "system"}


def images(request: JsonObject, seed: Seed) -> Answer:
    """A PNG of one colour in base64."""
    model = str(request.get("model") or "gpt-image-1")
    prompt = str(required(request, "prompt"))
    pictures = [
        {"b64_json": base64.b64encode(_png(seed.digest(f"colour{index}")[:3])).decode()}
        for index in range(int(request.get("n") or 1))
    ]
    count = len(tokens_of(prompt))
    usage = {
        "input_tokens": count,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": count},
        "output_tokens": 272,
        "total_tokens": count + 272,
    }
    document = {
        "created": seed.created,
        "data": pictures,
        "output_format": "png",
        "size": "1024x1024",
        "usage": usage,
    }
    return json_answer(document, model=model, tokens=(count, 272))


def _png(colour: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0" + colour)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def moderation(request: JsonObject, seed: Seed) -> Answer:
    """Nothing is ever flagged."""
    given = required(request, "input")
    result = {
        "flagged": False,
        "categories": dict.fromkeys(MODERATION_CATEGORIES, False),
        "category_scores": {name: seed.number(name, 1000) / 1e6 for name in MODERATION_CATEGORIES},
        "category_applied_input_types": {name: ["text"] for name in MODERATION_CATEGORIES},
    }
    model = str(request.get("model") or "omni-moderation-latest")
    results = [result] * (len(given) if isinstance(given, list) else 1)
    return json_answer({"id": seed.name("modr-", 29), "model": model, "results": results}, model=model)


def file_object(file_id: str, filename: str, purpose: str, size: int, created: int) -> JsonObject:
    """OpenAI's description of a file."""
    return {
        "id": file_id,
        "object": "file",
        "bytes": size,
        "created_at": created,
        "filename": filename,
        "purpose": purpose,
        "status": "processed",
    }


def binary(name: str, size: int, content_type: str = "application/octet-stream") -> Answer:
    """`size` bytes that depend on `name` alone, with their length known."""
    return Answer(pieces=pseudo_random_blocks(name, size), content_type=content_type, length_bytes=size)


def speech(request: JsonObject, _seed: Seed) -> Answer:
    """Bytes in the place of spoken words; as at OpenAI the length is not announced."""
    model = str(required(request, "model"))
    text = str(required(request, "input"))
    blocks = pseudo_random_blocks(f"{model}/{text}", 2_000 + 400 * len(text))
    return Answer(pieces=blocks, content_type="audio/mpeg", model=model)


def transcription(size: int, sha256: str) -> Answer:
    """A text that tells what arrived."""
    text = f"I heard {size} bytes, sha256 {sha256}."
    return json_answer({"text": text, "usage": {"type": "duration", "seconds": 1}})
