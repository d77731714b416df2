"""Asking a teacher once, for tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipelines.teachers.base import Completion, Sampling, Teacher, TeacherError
from tests.aside import run_aside
from vault.rows import Message

MakeTeacher = Callable[..., Teacher]
PROMPT: list[Message] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]


def ask(teacher: Teacher, messages: list[Message] = PROMPT, **sampling: float | int | None) -> Completion:
    async def once() -> Completion:
        try:
            return await teacher.complete(messages, Sampling(**sampling))  # type: ignore[arg-type]
        finally:
            await teacher.aclose()

    return run_aside(once())


def refusal(teacher: Teacher, **sampling: float | int | None) -> TeacherError:
    with pytest.raises(TeacherError) as caught:
        ask(teacher, **sampling)
    return caught.value
