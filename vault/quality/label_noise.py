"""Labels that contradict each other: the same prompt, or nearly the same, with different answers."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
import numpy.typing as npt

from vault.rows import normalise

Ints = npt.NDArray[np.signedinteger[Any]]
_PLAIN = str.maketrans(dict.fromkeys(string.punctuation + "".join(map(chr, (*range(32), 127))), " "))


def same_text(text: str) -> str:
    """The text without differences of case, punctuation and spacing: :func:`vault.rows.normalise`, quick for plain ASCII."""
    return " ".join(text.translate(_PLAIN).lower().split()) if text.isascii() else normalise(text)


def find_conflicts(group: Ints, label: Ints) -> npt.NDArray[np.bool_]:
    """A mask of the rows whose group holds at least two different labels.

    ``group``: what the rows of one group share, negative for none. ``label``: a number for each answer, 0 for no answer.
    """
    conflict = np.zeros(len(group), dtype=np.bool_)
    used = np.flatnonzero(label != 0)
    order = used[np.lexsort((label[used], group[used]))]
    groups, labels = group[order], label[order]
    if not len(order):
        return conflict
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    sizes = np.diff(np.r_[starts, len(order)])
    # Within a group the labels are in order: the first and the last are different when any two are.
    differ = labels[starts] != labels[starts + sizes - 1]
    conflict[order] = np.repeat(differ, sizes)
    return conflict
