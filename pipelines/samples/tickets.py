"""Synthetic messages to the help desk of an invented shop, and three invented teachers' answers to them.

Everything is made by this module from ``SEED``: no person, shop or order in it is real. One message can be asked three ways: for
its label, for its facts as JSON, and for a reply. The teachers are slightly careless, so that every curation step has work to do.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from vault.rows import Message, Row, assistant, prompt_id

SEED = 4_711
ROWS = 420
TEACHER = "synthetic-teacher"
LABELS = ("Billing", "Delivery", "Returns", "Account", "Fault", "Cancellation")
NEW_LABEL = "Cancellation"
"""The label that the shop had no word for until the newest batch of messages came."""
PRODUCTS = (
    "kettle",
    "desk lamp",
    "rucksack",
    "headphones",
    "coffee grinder",
    "rain jacket",
    "bike light",
    "keyboard",
    "toaster",
)
NAMES = ("Ines", "Tom", "Priya", "Marek", "Sofia", "Yusuf", "Greta", "Liam", "Noor", "Elif")
WORDINGS: dict[str, tuple[str, ...]] = {
    "Billing": (
        "I was charged twice for the {product} in order {order}.",
        "The invoice for order {order} shows {amount} euros, but the {product} cost less.",
        "Can you send the receipt for my {product} again? Order {order}.",
        "My card was billed {amount} euros and I don't know for what. Order {order}?",
        "The voucher was not taken off the price of the {product}, order {order}.",
    ),
    "Delivery": (
        "Where is my {product}? Order {order} should have come {days} days ago.",
        "The tracking of order {order} has not moved for {days} days.",
        "Order {order} says delivered, but there is no {product} at my door.",
        "Could the {product} from order {order} go to my neighbour instead?",
        "When will order {order} be sent? I ordered the {product} {days} days ago.",
    ),
    "Returns": (
        "The {product} is too small, how do I send it back? Order {order}.",
        "I'd like to return the {product} from order {order}; the box is open.",
        "I sent the {product} back {days} days ago and have no refund yet. Order {order}.",
        "Can I swap the {product} of order {order} for another colour?",
        "The return label for order {order} does not print.",
    ),
    "Account": (
        "I can't log in any more since {days} days.",
        "Please change the email address of my account, I ordered the {product} with the old one.",
        "How do I delete my account? My last order was {order}.",
        "The password link in your mail is expired, and I want to see order {order}.",
        "My account shows an order {order} of a {product} that isn't mine.",
    ),
    "Fault": (
        "The {product} from order {order} stopped working after {days} days.",
        "My {product} makes a burning smell. Order {order}.",
        "A part of the {product} was broken when I opened order {order}.",
        "The {product} does not switch on. It is from order {order}.",
        "The switch of the {product} is loose after {days} days, order {order}.",
    ),
    "Cancellation": (
        "Please cancel order {order}, I found the {product} cheaper.",
        "I ordered the {product} by mistake, stop order {order} before it is sent.",
        "Can I still cancel the {product}? Order {order}, placed {days} hours ago.",
        "Take the {product} out of order {order} and keep the rest.",
        "Don't send order {order}, I no longer need the {product}.",
    ),
}
REPLIES = {
    "Billing": "we are checking the payment for {what} and will send you a corrected invoice within two working days",
    "Delivery": "we have asked the carrier about {what} and will write to you as soon as we know where the parcel is",
    "Returns": "you can send {what} back within 30 days; the label is in your account, and the refund follows in five days",
    "Account": "please use the link in the mail we have just sent you; it is good for one hour",
    "Fault": "we are sorry about that; we will replace {what} and have sent you a free return label",
    "Cancellation": "we have stopped {what}, and the money will be back on your card in three working days",
}
LABEL_PROMPT = (
    "You sort messages to the help desk of a shop. Answer with exactly one of these words and nothing else: "
    f"{', '.join(LABELS)}. Billing is about money that was charged; Delivery about a parcel that is on its way or late; Returns "
    "about goods that are to go back, or went back; Account about logging in and personal data; Fault about goods that are broken; "
    "Cancellation about an order that is not to be sent at all. When a message fits two, take the one the customer asks for."
)
SHORT_PROMPT = "Name the topic of this message."
JSON_PROMPT = (
    "Take the facts out of a message to the help desk of a shop. Answer with one JSON object and nothing else: "
    '"topic" (one of Billing, Delivery, Returns, Account, Fault, Cancellation), "product" (text or null), "order" (text or null).'
)
REPLY_PROMPT = (
    "You answer messages to the help desk of a shop: friendly, in two sentences, without promises you can't keep."
)
JSON_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["topic", "product", "order"],
    "additionalProperties": False,
    "properties": {
        "topic": {"enum": list(LABELS)},
        "product": {"type": ["string", "null"]},
        "order": {"type": ["string", "null"], "pattern": "^[A-Z]{2}-[0-9]{5}$"},
    },
}


class Ticket(NamedTuple):
    """``text``: the message. ``label``, ``facts``: the truth. ``said_label``, ``said_facts``, ``said_reply``: the teachers' answers."""

    text: str
    label: str
    facts: dict[str, Any]
    said_label: str
    said_facts: str
    said_reply: str


def generate(*, seed: int = SEED, rows: int = ROWS) -> list[Ticket]:
    """The messages: the same list for the same ``seed`` and ``rows``. Some repeat an earlier one exactly."""
    rng = random.Random(seed)  # noqa: S311 - a reproducible sample, not a secret
    made: list[Ticket] = []
    while len(made) < rows:
        if made and rng.random() < 0.03:
            made.append(rng.choice(made))
            continue
        made.append(_ticket(rng, LABELS[len(made) % len(LABELS)]))
    return made


def _ticket(rng: random.Random, label: str) -> Ticket:
    wording = rng.choice(WORDINGS[label])
    product, order = (
        rng.choice(PRODUCTS),
        f"{rng.choice('KLMPRT')}{rng.choice('ABCDEF')}-{rng.randrange(10_000, 100_000)}",
    )
    text = wording.format(product=product, order=order, days=rng.randrange(2, 15), amount=rng.randrange(9, 180))
    style = rng.random()
    if style < 0.2:
        text = f"Hi, {text[0].lower()}{text[1:]}"
    elif style < 0.35:
        text = f"{text} Thanks, {rng.choice(NAMES)}"
    elif style < 0.42:
        text = text.lower()
    facts = {
        "topic": label,
        "product": product if "{product}" in wording else None,
        "order": order if "{order}" in wording else None,
    }
    return Ticket(text, label, facts, _say_label(rng, label), _say_facts(rng, facts), _say_reply(rng, label, facts))


def _say_label(rng: random.Random, label: str) -> str:
    chance = rng.random()
    if chance < 0.02:
        return rng.choice([other for other in LABELS if other != label])
    if chance < 0.035:
        return rng.choice(("Other", "Complaint", f"This is about {label.lower()}."))
    return rng.choice((f"{label}.", label.lower(), f"**{label}**")) if chance < 0.12 else label


def _say_facts(rng: random.Random, facts: dict[str, Any]) -> str:
    text = json.dumps(facts, ensure_ascii=False)
    chance = rng.random()
    if chance < 0.02:
        return text[:-1]
    if chance < 0.035:
        return json.dumps({**facts, "mood": "annoyed"})
    return f"```json\n{text}\n```" if chance < 0.1 else text


def _say_reply(rng: random.Random, label: str, facts: dict[str, Any]) -> str:
    if rng.random() < 0.02:
        return "I'm sorry, but I can't help with that."
    what = f"the {facts['product']}" if facts["product"] else "your order"
    if facts["order"]:
        what = f"{what} from order {facts['order']}" if facts["product"] else f"order {facts['order']}"
    opening = rng.choice(("Thank you for your message", "Thanks for writing to us", "Thank you for letting us know"))
    return f"{opening}. As to your question, {REPLIES[label].format(what=what)}."


def asked(system: str, text: str) -> list[Message]:
    """The chat that puts one message to a teacher."""
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]


def rows_of(
    tickets: Iterable[Ticket],
    *,
    system: str,
    answer: Callable[[Ticket], str | None],
    reference: Callable[[Ticket], str | None] = lambda _: None,
) -> list[Row]:
    """Rows that ask ``system`` of every message; a message that comes again gets an id of its own."""
    made: list[Row] = []
    seen: dict[str, int] = {}
    for ticket in tickets:
        prompt = asked(system, ticket.text)
        name = prompt_id(prompt)
        seen[name] = seen.get(name, 0) + 1
        said, gold = answer(ticket), reference(ticket)
        made.append(
            Row(
                id=name if seen[name] == 1 else f"{name}-{seen[name]}",
                prompt=prompt,
                completion=None if said is None else assistant(said),
                reference=None if gold is None else assistant(gold),
                meta={"synthetic": True, **({"model": TEACHER} if said is not None else {})},
            )
        )
    return made


def label_rows(tickets: Iterable[Ticket]) -> list[Row]:
    """Sorted by the teacher; the truth is the reference."""
    return rows_of(tickets, system=LABEL_PROMPT, answer=lambda t: t.said_label, reference=lambda t: t.label)


def clean_label_rows(tickets: Iterable[Ticket]) -> list[Row]:
    """Sorted, and every answer put right by a person."""
    return rows_of(tickets, system=LABEL_PROMPT, answer=lambda t: t.label, reference=lambda t: t.label)


def fact_rows(tickets: Iterable[Ticket]) -> list[Row]:
    """Facts as JSON."""
    return rows_of(
        tickets,
        system=JSON_PROMPT,
        answer=lambda t: t.said_facts,
        reference=lambda t: json.dumps(t.facts, ensure_ascii=False),
    )


def reply_rows(tickets: Iterable[Ticket]) -> list[Row]:
    """Replies; there is no right one, so no reference."""
    return rows_of(tickets, system=REPLY_PROMPT, answer=lambda t: t.said_reply)
