"""Small Python expressions that people write, judged when they are saved and run where they can do no harm.

``language`` says what may be written, ``values`` what the functions and methods do and how large a value may grow, ``running``
evaluates a checked tree, ``child`` does so in a confined process, ``sandbox`` asks that process. Nothing here looks an attribute up
on a value: what an expression can reach is what stands in two tables.
"""

from __future__ import annotations
