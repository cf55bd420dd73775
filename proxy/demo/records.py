"""A row as the API shows it (`HeliconeRequest` in `lib/stores/request/request.ts`)."""

from datetime import UTC, datetime
from uuid import NAMESPACE_OID, uuid5

from .answers.answer import JsonObject
from .ledger import Row

ELSEWHERE = (
    '{"helicone_message": "fetching body from signed_url... '
    'contact engineering@helicone.ai for more information"}'
)
"""Stands in every row for bodies that are in the object store: text, not JSON. `includeBody=true` gets them."""


def record(row: Row, *, scores_as_strings: bool) -> JsonObject:
    """The JSON of one row. The rating is in `scores` and nowhere else."""
    delay_ms = round((row.finished_at - row.created_at) * 1000)
    quoted = str if scores_as_strings else int
    return {
        "request_id": row.request_id,
        "request_created_at": _moment(row.created_at),
        "request_body": ELSEWHERE,
        "response_body": ELSEWHERE,
        "request_path": row.target,
        "request_user_id": row.user_id or None,
        "request_properties": dict(row.properties),
        "request_model": row.model,
        "response_id": str(uuid5(NAMESPACE_OID, row.request_id)),
        "response_created_at": _moment(row.finished_at),
        "response_status": row.status,
        "response_model": row.model,
        "provider": row.provider,
        "model": row.model,
        "target_url": row.target,
        "properties": dict(row.properties),
        "scores": {name: quoted(value) for name, value in row.scores.items()},
        "delay_ms": delay_ms,
        "time_to_first_token": quoted(row.time_to_first_token_ms),
        "prompt_tokens": quoted(row.prompt_tokens),
        "completion_tokens": quoted(row.completion_tokens),
        "total_tokens": quoted(row.prompt_tokens + row.completion_tokens),
        "cost": 0,
        "cache_enabled": False,
        "cache_reference_id": None,
        "prompt_id": row.prompt_id,
        "prompt_version": row.prompt_version,
        # `DEFAULT now()`: no finer than a second.
        "updated_at": _moment(row.updated_at).partition(".")[0],
        "signed_body_url": None,
        "storage_location": "s3",
    }


def _moment(unix_time: float) -> str:
    return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
