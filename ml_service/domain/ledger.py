"""Credits and the movements of credits.

Credits are whole numbers. They are never made or lost, only moved: every transaction takes an amount from one
account and gives it to another, so the sum over all accounts is zero at any moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

CREDITS_MAX = 2**53 - 1
"""The largest amount that a JavaScript client reads exactly; balances and amounts stay below it."""


def in_words(amount: int) -> str:
    """Credits as a sentence has them: `1 credit`, `2 credits`."""
    return f"{amount} credit" if amount == 1 else f"{amount} credits"


class LedgerAccount(StrEnum):
    """Where credits can be. Wallet and held exist once per user."""

    ISSUER = "issuer"
    WALLET = "wallet"
    HELD = "held"
    REVENUE = "revenue"


class Kind(StrEnum):
    """Why credits moved."""

    GRANT = "grant"
    TOP_UP = "top_up"
    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"
    TRANSFER = "transfer"
    ADJUSTMENT = "adjustment"
    REFUND = "refund"
    CHARGEBACK = "chargeback"


MOVEMENTS: dict[Kind, tuple[LedgerAccount, LedgerAccount]] = {
    Kind.GRANT: (LedgerAccount.ISSUER, LedgerAccount.WALLET),
    Kind.TOP_UP: (LedgerAccount.ISSUER, LedgerAccount.WALLET),
    Kind.HOLD: (LedgerAccount.WALLET, LedgerAccount.HELD),
    Kind.CAPTURE: (LedgerAccount.HELD, LedgerAccount.REVENUE),
    Kind.RELEASE: (LedgerAccount.HELD, LedgerAccount.WALLET),
    # The two kinds that may also be negative. A transfer is two rows, of -amount and +amount, in one commit.
    Kind.TRANSFER: (LedgerAccount.ISSUER, LedgerAccount.WALLET),
    Kind.ADJUSTMENT: (LedgerAccount.ISSUER, LedgerAccount.WALLET),
    Kind.REFUND: (LedgerAccount.REVENUE, LedgerAccount.WALLET),
    Kind.CHARGEBACK: (LedgerAccount.WALLET, LedgerAccount.ISSUER),
}
"""From which account to which each kind moves its amount."""


def wallet_change(kind: Kind, amount: int) -> int:
    """Credits by which ``kind`` changes the user's wallet: positive, negative or zero."""
    source, target = MOVEMENTS[kind]
    return amount * ((target is LedgerAccount.WALLET) - (source is LedgerAccount.WALLET))


def held_change(kind: Kind, amount: int) -> int:
    """Credits by which ``kind`` changes what is held for the user's open predictions."""
    source, target = MOVEMENTS[kind]
    return amount * ((target is LedgerAccount.HELD) - (source is LedgerAccount.HELD))


class ActorKind(StrEnum):
    """Who may move credits."""

    USER = "user"
    KEY = "key"
    ADMIN = "admin"
    SYSTEM = "system"
    PAYMENT = "payment"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who moved credits: every transaction names its actor.

    Attributes:
        id: Of a user or an API key its id; of the system the part that acted, for example a worker; of a payment the
            provider's name.
    """

    kind: ActorKind
    id: str


REGISTRATION_ACTOR = Actor(ActorKind.SYSTEM, "registration")
COMMAND_LINE = Actor(ActorKind.ADMIN, "command-line")
"""An admin who has access to the machine; the command line knows no user."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What a user can spend, and what is reserved for unfinished predictions; both in credits."""

    balance: int
    held: int


@dataclass(frozen=True, slots=True)
class Wallet:
    """A user's spendable credits, locked until the commit.

    Attributes:
        grants_left: Grants minus what was spent and not given back. Grants are spent first, so this is the unspent
            part of the balance that was granted; negative where more was spent than granted.
    """

    balance: int
    grants_left: int

    @property
    def transferable(self) -> int:
        """The part of the balance that is no unspent grant: only this may move to another account."""
        return max(0, self.balance - max(0, self.grants_left))


@dataclass(frozen=True, slots=True)
class Transaction:
    """One movement of credits; never changed, never deleted.

    Attributes:
        id: Grows with time; the cursor of a statement.
        bulk_id: The bulk job that holds, or gives back: to its predictions, which hold it then, or to the wallet.
        amount: Credits moved; ``kind`` says from where to where. Only a transfer or an adjustment may be negative,
            and then moves the other way.
        reason: An admin's words for a top-up, an adjustment, a refund or a chargeback.
    """

    id: int
    kind: Kind
    user_id: UUID
    amount: int
    prediction_id: UUID | None
    bulk_id: UUID | None
    reason: str | None
    actor: Actor
    created_at: datetime

    @property
    def change(self) -> int:
        """Credits by which the user's balance changed."""
        return wallet_change(self.kind, self.amount)
