"""A form for what the types of a model ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Route, expect

from tests.page.conftest import OpenTab
from tests.support.page_people import choose_model

# As ml_service/runtime/author/schemas.py writes them.
_FIELDS = {
    "kind": {"type": "string", "enum": ["gift", "own"]},
    "due": {"type": "string", "format": "date"},
    "until": {"type": ["string", "null"], "format": "date"},
    "at": {"type": ["string", "null"], "format": "date-time", "default": None},
    "sure": {"type": ["boolean", "null"], "default": None},
    "price": {"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "null"}], "default": None},
    "marks": {"type": ["object", "null"], "additionalProperties": {"type": "integer"}, "default": None},
}


def typed(fields: dict[str, Any], *, required: list[str]) -> Callable[[Route], None]:
    """Let the model ``echo`` take these fields."""

    def fulfill(route: Route) -> None:
        found = route.fetch().json()
        for one in found["items"]:
            if one["name"] == "echo":
                one["input_schema"] = {"type": "object", "properties": fields, "required": required}
        route.fulfill(json=found)

    return fulfill


def test_dates_choices_and_what_may_be_left_out_have_their_own_controls(open_tab: OpenTab) -> None:
    with open_tab(language="ru") as tab:
        tab.page.route("**/models", typed(_FIELDS, required=["kind", "due", "until"]))
        tab.sign_in().open("/app/predict")
        choose_model(tab, "echo")
        expect(tab.page.get_by_label("Kind", exact=True)).to_have_value("")  # another model's kind has a Russian name
        expect(tab.page.locator("#in-due")).to_have_attribute("type", "date")
        expect(tab.page.locator("#in-at")).to_have_attribute("type", "datetime-local")
        expect(tab.page.locator("#in-marks")).to_have_value("")
        options = tab.page.locator("#in-sure option").all_inner_texts()
        assert options[1:] == [tab.words("answer.yes"), tab.words("answer.no")]
        tab.page.locator("#in-price").fill("1,5")
        tab.page.locator("#in-price").press("Control+Enter")
        for field in ("kind", "due"):
            expect(tab.page.locator(f"#in-{field}")).to_have_accessible_description(tab.words("fault.required"))
        expect(tab.page.locator("#in-price")).not_to_have_attribute("aria-invalid", "true")
        assert tab.accessibility_faults() == []
        tab.page.unroute_all(behavior="ignoreErrors")


def test_a_date_typed_in_part_is_asked_for_and_an_empty_one_that_may_be_null_is_null(open_tab: OpenTab) -> None:
    sent: list[Any] = []
    with open_tab(language="ru") as tab:
        fields = {name: _FIELDS[name] for name in ("until", "at")}
        tab.page.route("**/models", typed(fields, required=["until"]))
        tab.page.route(
            "**/predictions/predict", lambda route: (sent.append(route.request.post_data_json), route.abort())
        )
        tab.sign_in().open("/app/predict")
        choose_model(tab, "echo")
        for field in ("until", "at"):
            date = tab.page.locator(f"#in-{field}")
            date.press_sequentially("31")
            date.press("Control+Enter")
            expect(date).to_have_accessible_description(tab.words("fault.unfinished"))
            expect(date).to_be_focused()
            assert tab.accessibility_faults() == []
            for key in [*["ArrowLeft"] * 5, *["Delete", "ArrowRight"] * 5]:  # each part of the date
                date.press(key)
        assert sent == []
        with tab.page.expect_request("**/predictions/predict") as asked:
            tab.page.locator("#in-until").press("Control+Enter")
        assert asked.value.post_data_json["input"] == {"until": None}
        tab.page.unroute_all(behavior="ignoreErrors")
