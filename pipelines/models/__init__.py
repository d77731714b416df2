"""Specs as people keep them, and runs as the workers see them."""

from pipelines.models.attempts import EarlierOutput, StepAttempt
from pipelines.models.pipelines import Pipeline, PipelineTemplate, PipelineVersion
from pipelines.models.runs import Priority, Run
from pipelines.models.schedules import Schedule
from pipelines.models.steps import Force, MetricPoint, StepOutput, StepRun
from pipelines.models.teacher_calls import TeacherCall

__all__ = [
    "EarlierOutput",
    "Force",
    "MetricPoint",
    "Pipeline",
    "PipelineTemplate",
    "PipelineVersion",
    "Priority",
    "Run",
    "Schedule",
    "StepAttempt",
    "StepOutput",
    "StepRun",
    "TeacherCall",
]
