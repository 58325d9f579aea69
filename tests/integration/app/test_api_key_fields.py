"""What an API key may be called, and what else its fields may hold."""

from __future__ import annotations

from tests.support.service import Person, code_of

NEW = {"name": "ci", "scopes": ["predict", "read"]}
UNFIT = [
    {"name": ""},
    {"name": "a" * 101},
    *({"name": f"a{hidden}b"} for hidden in "\0\n\x7f\x85\u00ad\u200b\u200e\u2028\u2029\u202e\u2066\ufeff"),
    {"scopes": []},
    {"scopes": ["admin"]},
    {"spend_cap": {"credits": -1, "per": "day"}},
    {"spend_cap": {"credits": 2**63, "per": "day"}},
    {"spend_cap": {"credits": "1", "per": "day"}},
    {"spend_cap": {"credits": 1, "per": "year"}},
    {"spend_cap": {"credits": 1}},
    {"rate_limit_per_minute": 0},
    {"models": []},
    {"models": ["<script>"]},
    {"expires_at": "tomorrow"},
    {"expires_at": "2030-01-01T00:00:00"},
    {"expires_at": "2030-01-01"},
    {"expires_at": 4102444800},
    {"expires_at": 4102444800.5},
    {"expires_at": 4102444800000},
    {"expires_at": "4102444800"},
    {"expires_at": True},
    {"expires_at": "9999-12-31T23:59:59-12:00"},
    {"user_id": "019a0b5e-7c1d-7000-8000-3f2a1b4c5d6e"},
]


async def test_a_key_may_be_called_in_any_script_and_by_emoji(anna: Person) -> None:
    for name in ("боевой ключ", "می\u200cخواهم", "👩\u200d💻 ❤\ufe0f", "a\u00a0b"):
        assert (await anna.post("/api-keys", NEW | {"name": name})).json()["name"] == name
    refused = await anna.post("/api-keys", NEW | {"name": "a\u202eb"})
    message = "A name has 1 to 100 characters, without control or invisible ones."
    assert refused.json()["errors"] == [{"location": "body.name", "message": message}]


async def test_what_does_not_fit_a_key_is_refused(anna: Person) -> None:
    key = (await anna.post("/api-keys", NEW)).json()
    for wrong in UNFIT:
        assert code_of(await anna.post("/api-keys", NEW | wrong)) == (422, "invalid_input"), wrong
        changed = await anna.client.patch(f"/api-keys/{key['id']}", json=wrong, headers=anna.headers)
        assert code_of(changed) == (422, "invalid_input"), wrong
