"""The rules a team signs by. Pure: no request, no database."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from studio.lib.canonical import fingerprint

MOST_ITEMS = 20
ABOUT_JUDGES = ("judge_grade", "judge_wins", "judge_health")
Item = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Least = Annotated[float, Field(ge=0, le=1)]


class Policy(BaseModel):
    """How many must approve, who may, what each of them ticks, and which gates must be open. Scores are 0..1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    approvals: int = Field(1, ge=1, le=10)
    least_role: Literal["reviewer", "editor", "owner"] = "reviewer"
    from_editors: int = Field(0, ge=0, le=10)
    """Of the approvals, this many by editors or owners."""
    from_owners: int = Field(0, ge=0, le=10)
    """Of the approvals, this many by owners."""
    alone: bool = False
    """Whether the only person who may sign may do so."""
    checklist: tuple[Item, ...] = Field((), max_length=MOST_ITEMS)
    minimums: dict[str, Least] = Field(default_factory=dict)
    """Metric → the student's least score."""
    judge_grade: Least | None = None
    """The student's least mean grade by the report's last judge, as a share of the scale: 1 of 5 is 0, 4 of 5 is 0.75."""
    judge_wins: Least | None = None
    """The student's least share of wins against the teacher by the report's last judge, ties counted half."""
    judge_health: bool = False
    """Where people graded answers by the judge's rubric, it must agree with them."""
    by_interval: bool = False
    """Compare the lower end of the score's interval instead of the score."""
    non_inferior: bool = False
    parity: bool = False
    no_leakage: bool = False
    comments_resolved: bool = False

    @model_validator(mode="after")
    def fits(self) -> Self:
        if max(self.from_editors, self.from_owners) > self.approvals:
            raise ValueError("More approvals by editors or owners are asked for than approvals in all")
        if len(set(self.checklist)) < len(self.checklist):
            raise ValueError("The checklist has the same item twice")
        return self

    def stored(self) -> dict[str, Any]:
        """The rules as a signature covers them. Those about judges only where there are any: what was signed before such rules
        could be made keeps its hash."""
        rules = self.model_dump(mode="json")
        return {
            name: rule
            for name, rule in rules.items()
            if name not in ABOUT_JUDGES or not (rule is None or rule is False)
        }

    def digest(self) -> str:
        """Fingerprint of the rules."""
        return fingerprint(self.stored())


def read(rules: Any) -> Policy:
    """Stored rules; what an older version stored and this one does not know is left out."""
    known = {name: value for name, value in dict(rules or {}).items() if name in Policy.model_fields}
    return Policy.model_validate(known)


def describe(policy: Policy) -> list[str]:
    """The rules about people, as sentences."""
    who = {"reviewer": "reviewers, editors and owners", "editor": "editors and owners", "owner": "owners"}
    n = policy.approvals
    lines = [
        f"{n} approvals by {who[policy.least_role]}, not all of them by who started the run."
        if n != 1
        else f"1 approval by {who[policy.least_role]}, not by who started the run."
    ]
    if policy.from_editors and policy.least_role == "reviewer":
        lines.append(f"At least {policy.from_editors} of them by an editor or an owner.")
    if policy.from_owners and policy.least_role != "owner":
        lines.append(f"At least {policy.from_owners} of them by an owner.")
    lines.append(
        "Who is alone in signing may sign alone; the report says so."
        if policy.alone
        else "Nobody signs alone, even where nobody else could."
    )
    return lines
