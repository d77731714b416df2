"""Refusals against answers that only look like one, in the languages that are known."""

from __future__ import annotations

import time

import pytest

from vault.quality.refusals import OPENING, RULES, find_refusal, is_refusal

REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I’m sorry, but I can’t assist with that request.",
    "I cannot assist with this.",
    "I can't provide instructions for that.",
    "I cannot and will not help you do this.",
    "I'm unable to provide medical advice.",
    "I am not able to generate that kind of content.",
    "Sorry, I can't do that.",
    "Sorry, but I cannot share personal information about others.",
    "I apologize, but I cannot fulfill this request.",
    "I must respectfully decline to answer.",
    "I won't write that.",
    "As an AI language model, I don't have personal opinions on this.",
    "As an AI assistant, I'm unable to browse the web.",
    "I'm just a language model and can't help you with that.",
    "I don't have access to real-time information.",
    "I do not feel comfortable writing this story.",
    "Your request violates our content policy.",
    "That's not something I can help with.",
    "It would be unethical for me to explain this.",
    "This goes against my guidelines.",
    "**I'm sorry**, but I can't comply with that.",
    "I'm afraid I can't.",
    "Unfortunately, I can't access your account.",
    "I'm not comfortable discussing this topic.",
    "Es tut mir leid, aber dabei kann ich leider nicht helfen.",
    "Ich kann diese Anfrage nicht beantworten.",
    "Als KI-Sprachmodell habe ich keine eigene Meinung.",
    "Leider bin ich nicht befugt. Ich bin nicht in der Lage, das zu schreiben.",
    "Je suis désolé, mais je ne peux pas vous aider avec cela.",
    "En tant qu'IA, je ne peux pas donner d'avis médical.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "Como modelo de lenguaje, no tengo opiniones.",
    "Mi dispiace, ma non posso aiutarti con questo.",
    "Come modello linguistico, non posso fornire consigli medici.",
    "Desculpe, mas não posso ajudar com isso.",
    "Como uma IA, não tenho opiniões pessoais.",
    "Het spijt me, maar daar kan ik je niet mee helpen.",
    "Als AI-model kan ik geen medisch advies geven.",
    "Przykro mi, ale nie mogę w tym pomóc.",
    "Jag kan tyvärr inte hjälpa dig med det.",
    "Beklager, men jeg kan ikke hjelpe deg med det.",
    "Jeg kan desværre ikke svare på det.",
    "Valitettavasti en voi auttaa tässä.",
    "Omlouvám se, ale s tím nemohu pomoci.",
    "Îmi pare rău, dar nu pot ajuta cu asta.",
    "Извините, но я не могу помочь с этим.",
    "Вибачте, я не можу допомогти з цим.",
    "Sajnálom, de ebben nem tudok segíteni.",
]
ANSWERS = [
    "I'm sorry to hear that your card was stolen. Freeze it in the app first.",
    "I can't believe how easy this is: press the button twice.",
    "I can't help but smile at this one. The answer is 42.",
    "You cannot open two accounts with one address.",
    "You can't help everyone, but you can start with one person.",
    "I cannot recommend this enough: back up your phone.",
    "Sorry for the delay! Your parcel left the warehouse today.",
    "Unfortunately the museum is closed on Mondays.",
    "The machine declined your card because the PIN was wrong.",
    "Decline the call, then block the number.",
    "As a language teacher, I would start with the verbs.",
    "As an AI engineer you will write a lot of Python.",
    "An AI can't feel pain, according to most philosophers.",
    "card_not_working",
    "refuse_collection",
    "My PIN number was incorrect, and I can't access it.",
    "I do not feel comfortable verifying my identity.",
    "I refuse to verify my identity.",
    "I am unable to access my app due to forgetting my passcode.",
    "Just today there was a purchase I did not make; I can't have this continue!",
    "He said he could not help, so she left.",
    "The request goes to the server, which answers with 404.",
    "We will not raise prices this year.",
    "This topic is covered in chapter 3.",
    "Don't worry, you do not need a licence for that.",
    "It is not possible to divide by zero.",
    "I won't lie: the first week is hard.",
    "Das geht leider nicht, weil die Karte gesperrt ist. So entsperren Sie sie:",
    "Sie können das Konto nicht ohne Ausweis eröffnen.",
    "Ich helfe gern! Öffnen Sie zuerst die App.",
    "Als Kind konnte er nicht schwimmen.",
    "Vous ne pouvez pas ouvrir deux comptes.",
    "Je ne savais pas que c'était possible. Voici comment faire.",
    "No, el banco cierra a las dos.",
    "Como siempre, no hay clase el lunes.",
    "Non, la banca chiude alle due.",
    "Come sempre, non si paga il lunedì.",
    "Não, o banco fecha às duas.",
    "Nee, de winkel is niet open op maandag.",
    "Nie, sklep jest zamknięty w niedzielę.",
    "Nej, butiken är inte öppen på söndagar.",
    "Nu, magazinul este închis duminica.",
    "Нет, магазин не работает в воскресенье.",
    "Nem, a bolt vasárnap zárva van.",
]


@pytest.mark.parametrize("answer", REFUSALS)
def test_a_refusal_is_found(answer: str) -> None:
    assert is_refusal(answer)


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_only_looks_like_one_stays(answer: str) -> None:
    assert find_refusal(answer) == ""


def test_every_language_has_an_example_here() -> None:
    import re

    from vault.quality.refusals import straight

    for language, rules in RULES.items():
        assert any(re.search(rule, straight(text)) for rule in rules for text in REFUSALS), language


def test_a_refusal_late_in_an_answer_is_part_of_it() -> None:
    assert not is_refusal("The story goes on. " * (OPENING // 10) + "“I can't help you,” she said.")


def test_only_short_answers_are_nothing_but_a_refusal() -> None:
    long = "I can't see your account, and I cannot help with the balance. " + "Here is what to do. " * 40
    assert find_refusal(long) != ""
    assert find_refusal(long, whole=True) == ""
    assert find_refusal("I cannot help with that.", whole=True) == "i cannot help"


def test_hostile_text_takes_no_time() -> None:
    started = time.perf_counter()
    for text in (
        "i can't " * 100_000,
        "as an ai " * 100_000,
        "ich kann nicht " * 100_000,
        "no puedo" + " " * 1_000_000,
    ):
        is_refusal(text)
    assert time.perf_counter() - started < 2
