"""Balance, models, forms, languages, and what admins see."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from ml_service.domain.errors import InvalidInput, ServiceError
from ml_service.domain.fields import Field
from ml_service.domain.ledger import Balance
from ml_service.domain.models import ListedModel
from ml_service.messaging.queue import QueueDepth
from ml_service.storage.balance_changes import BalanceChange
from ml_service.usecases.workers import Overview, failed_models
from services.bot.forms import choices
from services.bot.phrases import LANGUAGES, Html, Phrases, cut, escaped, phrases
from services.bot.views.answers import VERSION_CHARS_MAX
from services.bot.views.view import View, date_of, keyboard, lines, paragraphs

MODELS_MAX = 30
MODELS_DESCRIBED_MAX = 10
WORKERS_MAX = 20
DESCRIPTION_CHARS_MAX = 120
NAME_CHARS_MAX = 60
ERROR_CHARS_MAX = 300
REASON_CHARS_MAX = 120
MODELS_FAILED_MAX = 3


def balance(t: Phrases, username: str, has: Balance, last: Sequence[BalanceChange]) -> View:
    """What there is, what is held, and what moved."""
    moved = [
        t("balance-line", date=date_of(one.created_at), what=_what(t, one), change=f"{one.change:+d}".replace("-", "−"))
        for one in last
    ]
    listed = lines(t("balance-last"), *moved) if moved else t("balance-none")
    return View(
        paragraphs(
            t("balance", balance=t("credits", count=has.balance), held=t("credits", count=has.held)),
            t("balance-account", username=username),
            listed,
        )
    )


def _what(t: Phrases, one: BalanceChange) -> Html:
    kind = t(f"kind-{one.kind}")
    return kind if one.count == 1 else t("balance-many", what=kind, count=one.count)


def models(t: Phrases, listed: Sequence[ListedModel], chosen: str) -> View:
    """All models, and a button for each."""
    if not listed:
        return View(t("models-none"))
    shown = listed[:MODELS_MAX]
    text = paragraphs(
        t("models-title"),
        *(
            t(
                "models-line",
                name=model.spec.name,
                version=cut(model.spec.version, VERSION_CHARS_MAX),
                price=t("credits", count=model.price_credits),
                state=t("models-live" if model.is_live else "models-away"),
                description=cut(model.spec.description_in(t.language), DESCRIPTION_CHARS_MAX),
            )
            for model in shown[:MODELS_DESCRIBED_MAX]
        ),
    )
    buttons = [
        [(("✅ " if model.spec.name == chosen else "") + model.spec.name, f"model:{model.spec.name[:58]}")]
        for model in shown
    ]
    return View(text, keyboard(*buttons))


def form_field(
    t: Phrases, model: str, field: Field, *, form: str, number: int, total: int, before: Html | None = None
) -> View:
    """The question for one field of a model's input; ``form`` names this filling-in, ``before`` is said above it."""
    rows = [[(label, f"form:{form}:{number}:{place}")] for place, label in enumerate(choices(t, field))]
    if not field.required:
        rows.append([(t.plain("form-skip"), f"form:{form}:{number}:skip")])
    description = escaped(cut(field.description, DESCRIPTION_CHARS_MAX * 2)) if field.description else None
    title = t("form-field", model=model, number=number + 1, total=total, field=cut(field.name, NAME_CHARS_MAX))
    file = t("form-file") if field.is_file else None
    return View(lines(before, title, description, file, _optional(t, field)), keyboard(*rows))


def _optional(t: Phrases, field: Field) -> Html | None:
    """That a field may be left out, and what the model takes then."""
    if field.required:
        return None
    if field.default in (None, "") or field.is_file:
        return t("form-optional")
    if isinstance(field.default, bool):
        value = t.plain("yes" if field.default else "no")
    else:
        value = field.default if isinstance(field.default, str) else orjson.dumps(field.default).decode()
    return t("form-default", value=cut(value, NAME_CHARS_MAX))


def languages(t: Phrases) -> View:
    """A button for each language, in its own words."""
    rows = [[(name, f"language:{code}")] for code, name in LANGUAGES.items()]
    return View(t("language-choose"), keyboard(*rows))


def notify(t: Phrases) -> View:
    """Asks whether answers to requests by the API are to come here."""
    return View(
        t("notify-ask"),
        keyboard([(t.plain("button-notify-on"), "notify:on"), (t.plain("button-notify-off"), "notify:off")]),
    )


def delete(t: Phrases, balance: int, account: str | None, number: str) -> View:
    """Asks whether to delete what is kept of the person.

    Args:
        balance: Credits of the chat's own account, which would be lost.
        account: The connected account of the API, which stays; None: there is none.
        number: The question's own.
    """
    return View(
        paragraphs(
            t("delete-ask", balance=t("credits", count=balance)),
            t("delete-account-stays", username=account) if account is not None else None,
        ),
        keyboard(
            [(t.plain("button-delete"), f"delete:yes:{number}")], [(t.plain("button-delete-no"), f"delete:no:{number}")]
        ),
    )


def link(t: Phrases, username: str, own_balance: int, number: str) -> View:
    """Asks whether to connect to the account of this name; ``number`` is the question's own."""
    return View(
        t("link-ask", username=username, moved=t("credits", count=own_balance)),
        keyboard(
            [(t.plain("button-link", username=username), f"link:yes:{number}")],
            [(t.plain("button-link-no"), f"link:no:{number}")],
        ),
    )


def admin(
    t: Phrases, overview: Overview, depth: QueueDepth | None, owed: int, failures: Sequence[tuple[str, int]]
) -> View:
    """The service at a glance; ``depth`` is None where the queue does not answer."""
    queue = t("admin-queue-away") if depth is None else t("admin-queue", ready=depth.ready, consumers=depth.consumers)
    return View(
        paragraphs(
            t("admin", open=overview.open, unsent=overview.unsent, queue=queue, owed=owed),
            lines(
                t("admin-workers", count=len(overview.workers)),
                *(
                    t(
                        "admin-worker",
                        state="🟢" if worker.is_alive and worker.state == "ready" else "⚪️",
                        id=cut(worker.id, NAME_CHARS_MAX),
                        models=cut(", ".join(worker.models), NAME_CHARS_MAX) or "–",
                    )
                    for worker in overview.workers[:WORKERS_MAX]
                ),
                Html("…") if len(overview.workers) > WORKERS_MAX else None,
            ),
            lines(
                *(
                    t(
                        "admin-model-failed",
                        name=cut(one.name, NAME_CHARS_MAX),
                        reason=cut(one.reason, REASON_CHARS_MAX),
                    )
                    for one in failed_models(overview.workers)[:MODELS_FAILED_MAX]
                )
            ),
            lines(
                t("admin-failures"),
                *(t("admin-failure", code=cut(code, NAME_CHARS_MAX), count=count) for code, count in failures),
                None if failures else t("admin-no-failures"),
            ),
        )
    )


def error(t: Phrases, problem: ServiceError) -> Html:
    """An error of a use case in the person's words; `tests/unit/bot` holds that none is missing."""
    cost, left = problem.details.get("cost", 0), problem.details.get("balance", 0)
    message = problem.message
    if isinstance(problem, InvalidInput) and problem.details.get("errors"):
        message = "; ".join(str(one["message"]) for one in problem.details["errors"][:3])
    return t(
        f"error-{problem.code}",
        message=cut(message, ERROR_CHARS_MAX),
        cost=t("credits", count=cost),
        balance=t("credits", count=left),
        wait=t.duration(problem.retry_after_s or 1),
    )


def alert(language: str, key: str, *, waiting: int) -> Html:
    """What an admin is told."""
    return phrases(language)(key, open=waiting)
