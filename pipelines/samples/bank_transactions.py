"""A synthetic set of bank transactions in 12 categories, and a careless teacher's answers to it.

Everything is invented by this module from ``SEED``: no person, business or account in it is real. The gold category comes
from the generator, the teacher's answers are right about 24 times in 25, often oddly spelt, and now and then outside the
set, so that every curation step has work to do. Run the module to write the data files again.
"""

from __future__ import annotations

import csv
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipelines.samples.merchants import CATEGORIES, CITIES, NAMES, PEOPLE, UNCLEAR, Category
from vault.rows import Message, Row, assistant, prompt_id

SEED = 20_240
ROWS = 1_200
FOLDER = Path(__file__).parent
DATA_FILE = FOLDER / "bank_transactions.csv"
COLUMNS = ("transaction", "category", "teacher_answer", "teacher_ms")
TEACHER = "synthetic-teacher"
USD_PER_MILLION = (2.5, 10.0)
"""Input and output price the invented teacher is billed at."""
LABELS = [category.label for category in CATEGORIES]

SYSTEM_PROMPT = (
    "You sort bank transactions. Answer with exactly one of these categories and nothing else: "
    + ", ".join(LABELS)
    + "."
)
USER_PROMPT = "Transaction: {transaction}"

BY_LABEL = {category.label: category for category in CATEGORIES}
UNCLEAR_SHARE = 0.06
REPEATED = 18
"""Rows that repeat an earlier one exactly; a third of them with another answer."""
NEAR_COPIES = 12
"""Rows that repeat an earlier one in other case or spacing."""
OVERLONG = 4
"""Rows with a remittance text run into the description."""


class Transaction(NamedTuple):
    """``text``: the line on the statement. ``category``: the truth. ``answer``: what the teacher said, as it said it, after
    ``milliseconds``."""

    text: str
    category: str
    answer: str
    milliseconds: int


def generate(*, seed: int = SEED, rows: int = ROWS) -> list[Transaction]:
    """The sample: the same list for the same ``seed`` and ``rows``."""
    rng = random.Random(seed)  # noqa: S311 - a reproducible sample, not a secret
    made: list[Transaction] = []
    seen: set[str] = set()
    while len(made) < rows - REPEATED - NEAR_COPIES - OVERLONG:
        text, category, unclear = _line(rng, number=len(made))
        if text.casefold() not in seen:
            seen.add(text.casefold())
            waited = round(rng.lognormvariate(6.4, 0.35))
            made.append(Transaction(text, category, _answer(rng, category, unclear=unclear), waited))
    extra = [_repeat(rng, made, same_text=True) for _ in range(REPEATED)]
    extra += [_repeat(rng, made, same_text=False) for _ in range(NEAR_COPIES)]
    extra += [_overlong(rng, made) for _ in range(OVERLONG)]
    everything = made + extra
    rng.shuffle(everything)
    return everything


def prompt_of(transaction: str) -> list[Message]:
    """The chat that asks for the category of one statement line."""
    return [
        {"role": "system", "content": SYSTEM_PROMPT},
        {"role": "user", "content": USER_PROMPT.format(transaction=transaction)},
    ]


def recording(transactions: list[Transaction]) -> Iterator[Row]:
    """The teacher's answers as rows, each with its invented time, tokens and price: what the ``recorded`` teacher replays.

    A prompt that occurs twice is answered twice.
    """
    asked: Counter[str] = Counter()
    for item in transactions:
        prompt = prompt_of(item.text)
        name = prompt_id(prompt)
        asked[name] += 1
        usage = {"input_tokens": _tokens(*(m["content"] or "" for m in prompt)), "output_tokens": _tokens(item.answer)}
        price_in, price_out = USD_PER_MILLION
        cost = (usage["input_tokens"] * price_in + usage["output_tokens"] * price_out) / 1e6
        meta = {"model": TEACHER, "usage": usage, "cost_usd": round(cost, 9), "latency_ms": item.milliseconds}
        number = f"-{asked[name]}" if asked[name] > 1 else ""
        yield Row(id=name + number, prompt=prompt, completion=assistant(item.answer), meta={**meta, "synthetic": True})


def _tokens(*texts: str) -> int:
    """About how many tokens a chat with these texts has: a quarter of its characters, and four for each message."""
    return sum(len(text) // 4 + 4 for text in texts)


def read(path: Path = DATA_FILE) -> list[Transaction]:
    """The committed data file."""
    with path.open(encoding="utf-8", newline="") as source:
        return [
            Transaction(line["transaction"], line["category"], line["teacher_answer"], int(line["teacher_ms"]))
            for line in csv.DictReader(source)
        ]


def write(transactions: list[Transaction], *, path: Path = DATA_FILE) -> None:
    """Write the data file."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(transactions)


def _line(rng: random.Random, *, number: int) -> tuple[str, str, bool]:
    """``(statement line, category, whether its wording fits two categories)``."""
    if rng.random() < UNCLEAR_SHARE:
        wording, first, first_amounts, second, second_amounts = rng.choice(UNCLEAR)
        label, amounts = rng.choice([(first, first_amounts), (second, second_amounts)])
        return _statement(rng, wording.format(name=rng.choice(NAMES)), label, amounts), label, True
    category = CATEGORIES[number % len(CATEGORIES)]
    return _statement(rng, _merchant(rng, category), category.label, category.amounts), category.label, False


def _merchant(rng: random.Random, category: Category) -> str:
    if rng.random() < 0.45:
        return rng.choice(category.merchants)
    kind = rng.choice(category.kinds)
    if "{person}" in kind:
        return kind.format(person=rng.choice(PEOPLE))
    return f"{rng.choice(NAMES)} {kind}"


def _statement(rng: random.Random, merchant: str, label: str, amounts: tuple[float, float]) -> str:
    """A merchant as a bank prints it: capitals, a cut at 22 characters, terminal and reference numbers, a city, the amount."""
    name = merchant.upper() if rng.random() < 0.5 else merchant
    style = rng.random()
    if style < 0.12:
        name = name.replace(" & ", "&").replace(" ", "*", 1)
    elif style < 0.2:
        name = name.replace(" ", "", 1)
    if rng.random() < 0.3:
        name = f"{name} {rng.choice(CITIES)}"
    name = name[:24].rstrip()
    if rng.random() < 0.35:
        name = f"{rng.choice(('POS', 'CARD', 'DD', 'VIS', 'CNP', 'CRD'))} {name}"
    if rng.random() < 0.3:
        name = f"{name} {rng.choice(('', '#', 'T', 'REF '))}{rng.randrange(100, 9_999)}"
    low, high = amounts
    amount = low * (high / low) ** rng.random()
    sign = "+" if label == "Income" or (label == "Transfers" and "from" in merchant.lower()) else "-"
    return f"{name} {sign}{amount:.2f}"


def _answer(rng: random.Random, category: str, *, unclear: bool) -> str:
    """What the teacher says: now and then outside the set, sometimes wrong (mostly where the wording is unclear)."""
    known = BY_LABEL[category]
    if rng.random() < 0.018:
        return rng.choice((*known.outside, f"The category is {category}.", "Unknown"))
    label = category
    if rng.random() < (0.3 if unclear else 0.017):
        label = _other_reading(rng, category) if unclear else rng.choice(known.confused)
    style = rng.random()
    if style < 0.06:
        return f"{label}."
    if style < 0.11:
        return label.lower()
    if style < 0.13:
        return label.upper()
    if style < 0.145:
        return f"**{label}**"
    if style < 0.16:
        return f" {label}\n"
    return label


def _other_reading(rng: random.Random, category: str) -> str:
    """The category that an unclear wording of this one is taken for."""
    pairs = [(first, second) for _, first, _, second, _ in UNCLEAR if category in (first, second)]
    first, second = rng.choice(pairs)
    return second if first == category else first


def _repeat(rng: random.Random, made: list[Transaction], *, same_text: bool) -> Transaction:
    original = rng.choice(made)
    if same_text and rng.random() < 0.67:
        return original
    if same_text:
        return original._replace(answer=_answer(rng, original.category, unclear=_is_unclear(original)))
    text = original.text.lower() if rng.random() < 0.5 else original.text.replace(" ", "  ")
    return original._replace(text=text)


def _is_unclear(item: Transaction) -> bool:
    endings = [wording.removeprefix("{name} ").casefold() for wording, *_ in UNCLEAR]
    return any(ending in item.text.casefold() for ending in endings)


def _overlong(rng: random.Random, made: list[Transaction]) -> Transaction:
    original = rng.choice(made)
    reference = " ".join(f"/REMI/{rng.randrange(10**9, 10**10)}/{rng.choice(PEOPLE).upper()}/" for _ in range(8))
    return original._replace(text=f"{original.text} {reference}")


if __name__ == "__main__":
    sample = generate()
    write(sample)
    sys.stdout.write(f"{len(sample):,} synthetic transactions written to {DATA_FILE.name}\n")
