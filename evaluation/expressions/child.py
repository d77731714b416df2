"""The confined process: rows on its standard input, one line of JSON for each on its standard output.

The first line is ``{"expression", "steps", "seconds", "budget", "memory"}``; every other line is a list with the values of the
names that the expression reads, in the order of :data:`evaluation.expressions.language.NAMES`. A reply is ``{"value": …}`` or
``{"failed": "why"}``. A row that takes too long ends the process: the parent sees how many replies came.
"""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

from evaluation.expressions.confinement import allow, confine
from evaluation.expressions.language import Checked, read_expression
from evaluation.expressions.running import evaluate
from evaluation.expressions.values import Failed, name_of
from vault.quality.patterns import compile_pattern, search


def main(rows: TextIO, replies: TextIO) -> None:
    """Answer every row."""
    told = json.loads(rows.readline())
    checked = read_expression(told["expression"])
    # What is loaded at its first use must be loaded before no file can be opened.
    search(compile_pattern("a"), "a")
    json.dumps(1.5)
    confine(memory=int(told["memory"]), seconds=int(told["budget"]))
    for line in rows:
        allow(float(told["seconds"]))
        replies.write(json.dumps(reply_to(line, checked, steps=int(told["steps"]))) + "\n")
        replies.flush()
        allow(0)


def reply_to(line: str, checked: Checked, *, steps: int) -> dict[str, Any]:
    """What one row gives."""
    try:
        values = json.loads(line)
        found = evaluate(checked, dict(zip(checked.names, values, strict=True)), steps=steps)
    except Failed as failure:
        return {"failed": str(failure)}
    except (MemoryError, RecursionError):
        return {"failed": "it needs too much memory"}
    except ValueError as error:
        return {"failed": f"the row can't be read: {str(error)[:100]}"}
    if found is None or type(found) in (bool, int, float):
        return {"value": found}
    return {"failed": f"it gives {name_of(found)}, not a number or True or False"}


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
