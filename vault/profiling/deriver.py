"""The derivation ``profile-1``: row facts on disk and the numbers of the profile page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from studio.jobs import State
from studio.lib.errors import StudioError
from vault import derivations
from vault.models import Derivation
from vault.profile import FACTS_FILE, NAME, is_whole
from vault.profiling import facts as row_facts
from vault.profiling import groups, scan, students, summary
from vault.profiling.facts import NONE
from vault.profiling.scan import Beat
from vault.quality import languages, token_lengths
from vault.quality.gguf_tokenizer import UnreadableTokenizer
from vault.quality.token_lengths import TokenCounter


def derive(rows: Path, out: Path, *, params: Mapping[str, Any], beat: Beat) -> dict[str, Any]:
    """Write ``facts.parquet`` and return what the page shows.

    ``params``: ``student`` (a reference of :mod:`vault.profiling.students`) and its ``tokenizer``'s identity, or empty.
    """
    counter = load_counter(str(params.get("student") or ""))
    known = _other_profile(rows.name)
    if known is not None and counter is not None:
        return _count_anew(rows, out, known=known, counter=counter, beat=beat)
    found = scan.look(rows, counter=counter, beat=beat)
    languages.release()
    groups.group(rows, found, scratch=out, beat=beat)
    beat(len(found), len(found), "Drawing")
    row_facts.write(out / FACTS_FILE, found, beat=lambda done: beat(done, len(found), "Writing"))
    tokens = summary.token_summary(found.tokens, context=counter.context if counter else None)
    return summary.summarise(rows, found) | {"tokens": tokens}


def load_counter(ref: str) -> TokenCounter | None:
    """The student's token counter; None when nobody is named. Raises ``StudioError`` when its tokenizer can't be read."""
    if not ref:
        return None
    student = students.choose(ref)
    if student is None or student.ref != ref:
        raise StudioError(
            "The student whose tokens were asked for is not on this machine any more.", action="Choose another student."
        )
    try:
        return token_lengths.load(student.path)
    except UnreadableTokenizer as problem:
        raise StudioError(
            f"The tokenizer of {student.label} can't be read: {problem}", action="Choose another student."
        ) from problem


def _other_profile(sha256: str) -> Derivation | None:
    """A finished profile of the same rows: all of it but the tokens is the same for every student."""
    done = Derivation.objects.filter(artifact__sha256=sha256, name=NAME, state=State.SUCCEEDED)
    return next((made for made in done.select_related("artifact") if is_whole(made)), None)


def _count_anew(rows: Path, out: Path, *, known: Derivation, counter: TokenCounter, beat: Beat) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tokens = np.array(scan.count_tokens(rows, counter=counter, beat=beat), dtype=np.int32)
    column = pa.array(tokens, mask=tokens == NONE)
    with pq.ParquetFile(derivations.folder(known) / FACTS_FILE) as source:
        place, start = source.schema_arrow.get_field_index("tokens"), 0
        with pq.ParquetWriter(out / FACTS_FILE, source.schema_arrow, compression="zstd") as writer:
            for number in range(source.metadata.num_row_groups):
                part = source.read_row_group(number)
                counted = column.slice(start, len(part))
                writer.write_table(part.set_column(place, source.schema_arrow.field(place), counted))
                start += len(part)
    told: dict[str, Any] = known.result
    return told | {"tokens": summary.token_summary(tokens, context=counter.context)}
