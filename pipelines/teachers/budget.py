"""A hard cost cap: what is spent plus the most that the calls in flight can cost never passes it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pipelines.teachers.base import Usage
from pipelines.teachers.prices import Price
from studio.lib.errors import WaitForPerson
from vault.rows import Message

BYTES_PER_TOKEN = 2
"""Text has at least this many UTF-8 bytes a token on average with the tokenizers in use (English about 4, Chinese about 3)."""
TOKENS_PER_MESSAGE = 16


class CapReached(WaitForPerson):
    """The next call could pass the cap: a person must raise it or stop here."""


def most_tokens(messages: Sequence[Message]) -> int:
    """An upper estimate of the input tokens of a prompt."""
    size = sum(len((m.get("content") or "").encode("utf-8", "surrogatepass")) for m in messages)
    size += sum(len(str(m.get("tool_calls") or "")) for m in messages)
    return size // BYTES_PER_TOKEN + TOKENS_PER_MESSAGE * (len(messages) + 1)


class Ledger:
    """A file that remembers, beyond the end of a process, the most that calls without a stored answer may have cost."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept: float | None = None

    def read(self) -> float:
        """US dollars in doubt from earlier attempts; none when a power failure left the file empty."""
        try:
            return float(self.path.read_text("ascii") or 0.0)
        except FileNotFoundError:
            return 0.0

    def keep(self, usd: float) -> None:
        """Remember ``usd`` in place of what was kept; whole or not at all."""
        if usd == self.kept or (usd == 0.0 and self.kept is None):
            return
        partial = self.path.with_name(f"{self.path.name}.partial")
        partial.write_text(repr(usd), "ascii")
        partial.replace(self.path)
        self.kept = usd


class Budget:
    """Money of one step. ``spent`` counts every attempt of the step; ``unconfirmed`` is the part that the provider may have
    charged for calls that brought no answer (it counts against the cap): those that timed out, and those that were in
    flight when an earlier attempt ended."""

    def __init__(
        self, price: Price | None, cap_usd: float | None, *, spent: float, ledger: Ledger | None = None
    ) -> None:
        self.price = price
        self.cap_usd = cap_usd
        self.spent = spent
        self.reserved = 0.0
        self.in_flight = 0
        self.ledger = ledger
        self.unconfirmed = ledger.read() if ledger else 0.0
        self._grown = 1.0
        self._room = asyncio.Event()

    def cost(self, usage: Usage) -> float | None:
        """What an answer cost in US dollars, or None without a price."""
        return None if self.price is None else self.price.of(usage)

    def most(self, input_tokens: int, output_tokens: int) -> float:
        """The most a call can cost in US dollars, 0 without a price."""
        return 0.0 if self.price is None else self.price.of(Usage(input_tokens, output_tokens))

    def reserve(self, estimate: float) -> float | None:
        """Set money aside for a call and return how much. None when calls in flight must end first; raises
        :class:`CapReached` when there are none. What is set aside grows when earlier estimates proved too low."""
        amount = estimate * self._grown
        if self.cap_usd is not None and self.spent + self.unconfirmed + self.reserved + amount > self.cap_usd:
            if self.in_flight:
                return None
            raise self.reached(amount)
        self.reserved += amount
        self.in_flight += 1
        self._keep()
        return amount

    def settle(self, reserved: float, cost: float, *, confirmed: bool = True) -> None:
        """A call has ended: free what was set aside and book what it cost."""
        if confirmed and cost > reserved > 0:
            self._grown *= cost / reserved
        self.reserved = max(self.reserved - reserved, 0.0)
        self.in_flight -= 1
        if self.in_flight == 0:
            self.reserved = 0.0  # not the sum of rounding errors
        if confirmed:
            self.spent += cost
        else:
            self.unconfirmed += cost
        self._keep()
        self._room.set()

    def _keep(self) -> None:
        """Before a call starts and after it ended: what would be in doubt if this process ended now."""
        if self.ledger is not None:
            self.ledger.keep(self.unconfirmed + self.reserved)

    async def wait_for_room(self, seconds: float) -> None:
        """Wait until a call ends, at most ``seconds``."""
        self._room.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._room.wait()
        except TimeoutError:
            return

    def reached(self, estimate: float) -> CapReached:
        """The question for a person."""
        cap = self.cap_usd or 0.0
        extra = f" and perhaps ${self.unconfirmed:.4f} for calls without an answer" if self.unconfirmed else ""
        return CapReached(
            f"The cost cap of ${cap:,.2f} is reached: ${self.spent:,.4f} is spent{extra}, and the next call may cost up to "
            f"${estimate:.4f}.",
            action="Raise the cost cap and go on (answers so far are kept and not asked again), or stop here.",
        )
