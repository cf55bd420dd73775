"""The vendor's facts as the gateway has them: ids, regions, hosts, paths and keys."""

import pytest

from proxy import helicone

ID = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
OTHER_KEY = "sk-helicone-canaryx-canaryx-canaryx-canaryx"
EU_KEY = "sk-helicone-eu-canaryx-canaryx-canaryx-canaryx"


# -- ids


@pytest.mark.parametrize("version", "12345")
@pytest.mark.parametrize("variant", "89ab")
def test_uuids_of_version_1_to_5_are_ids(version: str, variant: str) -> None:
    text = f"0b50d0d5-6a8d-{version}f9e-{variant}d43-6f4f5f3a2b10"
    assert helicone.valid_request_id(text) == text


def test_an_upper_case_id_is_taken_in_lower_case() -> None:
    assert helicone.valid_request_id(ID.upper()) == ID
    assert helicone.valid_request_id(ID.title()) == ID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "last",
        "ticket-1",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "1ef21d2f-1207-6660-8c4f-419efbd44d48",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "320c3d4d-cc00-875b-8ec9-32d5f69181c0",
        "0b50d0d5-6a8d-0f9e-8d43-6f4f5f3a2b10",
        "0b50d0d5-6a8d-4f9e-7d43-6f4f5f3a2b10",
        "0b50d0d5-6a8d-4f9e-cd43-6f4f5f3a2b10",
        "0b50d0d56a8d4f9e8d436f4f5f3a2b10",
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        f" {ID}",
        f"{ID} ",
        f"{ID}\n",
        f"{ID}, {ID}",
        ID[:-1],
        f"{ID}0",
        ID.replace("0", "g", 1),
        ID.replace("0", "０", 1),
        ID.replace("d", "ď", 1),
    ],
)
def test_nothing_else_is_an_id(text: str) -> None:
    assert helicone.valid_request_id(text) is None


def test_no_other_script_becomes_an_id_by_being_put_into_lower_case() -> None:
    # U+212A lowers to `k`; that none lowers to a hexadecimal digit is what this says.
    lowered = {chr(point) for point in range(0x80, 0x11000) if chr(point).lower() in "0123456789abcdef"}
    assert lowered == set()


# -- regions and hosts


@pytest.mark.parametrize(
    ("key", "url"),
    [
        (None, "https://api.helicone.ai"),
        (OTHER_KEY, "https://api.helicone.ai"),
        (EU_KEY, "https://eu.api.helicone.ai"),
        ("pk-helicone-eu-cp-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa", "https://eu.api.helicone.ai"),
        ("sk-abc-helicone", "https://api.helicone.ai"),
    ],
)
def test_the_api_is_that_of_the_keys_region(key: str | None, url: str) -> None:
    assert helicone.api_url_for(key) == url


@pytest.mark.parametrize(
    "host",
    [
        "oai.helicone.ai",
        "OAI.Helicone.AI",
        "ai-gateway.helicone.ai",
        "helicone.ai",
        "oai.hconeai.com",
        "oai.us.hconeai.com",
    ],
)
def test_helicones_hosts_are_known(host: str) -> None:
    assert helicone.is_gateway_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evilhelicone.ai",
        "helicone.ai.evil.test",
        "oai.helicone.ai.",
        "helicone.ai.",
        "helicone.com",
        "oai-helicone.ai",
        "oai.helicone.ai:443",
        "oai.helicone.ai@evil.test",
        "xhconeai.com",
        "api.openai.com",
        "localhost",
    ],
)
def test_no_other_host_passes_for_helicones(host: str) -> None:
    assert not helicone.is_gateway_host(host)


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/audio/transcriptions",
        b"/v1/audio/speech",
        b"/openai/deployments/x/audio/translations",
        b"/v1/files",
        b"/v1/files/file-1",
        b"/v1/files/file-1/content",
        b"/v1/gateway/oai/v1/files",
        b"/myaudiobooks",
    ],
)
def test_paths_that_helicone_passes_raw_are_known(path: bytes) -> None:
    assert helicone.is_passed_raw(path)


@pytest.mark.parametrize(
    "path",
    [b"/v1/chat/completions", b"/v1/responses", b"/v1/messages", b"/v1/embeddings", b"/v1/models", b"/", b""],
)
def test_all_others_are_read_by_helicone(path: bytes) -> None:
    assert not helicone.is_passed_raw(path)


# -- which key a caller sent


@pytest.mark.parametrize(
    ("fields", "path", "key"),
    [
        ({}, b"/v1/chat/completions", None),
        ({b"helicone-auth": b"Bearer " + OTHER_KEY.encode()}, b"/", OTHER_KEY),
        ({b"helicone-auth": b"bearer  " + OTHER_KEY.encode()}, b"/", OTHER_KEY),
        ({b"helicone-auth": b"Bearer anything-at-all"}, b"/", "anything-at-all"),
        ({b"helicone-auth": b"Basic xxx"}, b"/", None),
        ({b"helicone-auth": b""}, b"/", None),
        ({b"authorization": b"Bearer " + OTHER_KEY.encode()}, b"/", OTHER_KEY),
        (
            {b"authorization": b"Bearer pk-helicone-eu-cp-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa"},
            b"/",
            "pk-helicone-eu-cp-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa",
        ),
        (
            {b"authorization": b"Bearer sk-helicone-rl-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa"},
            b"/",
            "sk-helicone-rl-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa",
        ),
        ({b"authorization": b"Bearer sk-proj-abc"}, b"/", None),
        ({b"authorization": b"Bearer sk-my-helicone-key"}, b"/", None),
        ({b"x-api-key": OTHER_KEY.encode()}, b"/", OTHER_KEY),
        ({b"x-api-key": b"sk-ant-api03-xyz"}, b"/", None),
        ({b"authorization": b"Bearer sk-proj-abc", b"x-api-key": OTHER_KEY.encode()}, b"/", OTHER_KEY),
        ({}, b"/" + OTHER_KEY.encode() + b"/v1/chat/completions", OTHER_KEY),
        ({}, b"/" + OTHER_KEY.encode(), OTHER_KEY),
        ({}, b"/v1/sk-helicone", None),
        ({b"helicone-auth": b"Bearer first"}, b"/" + OTHER_KEY.encode() + b"/v1", "first"),
        (
            {b"helicone-auth": b"Bearer first", b"authorization": b"Bearer " + OTHER_KEY.encode()},
            b"/",
            "first",
        ),
    ],
)
def test_the_callers_own_key_is_found_where_helicone_reads_it(
    fields: dict[bytes, bytes], path: bytes, key: str | None
) -> None:
    assert helicone.caller_key(fields, path) == key
