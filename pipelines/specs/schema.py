"""The spec's JSON Schema (2020-12), made from the steps' classes: for editors, review and other programs."""

from __future__ import annotations

from typing import Any

from pipelines.specs.spec import ID_PATTERN, MAX_EDGES, MAX_NODES, MAX_NOTE, SCHEMA
from studio.registries import STEPS

END = r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$"


def json_schema() -> dict[str, Any]:
    """What a spec of this Studio may look like. Wiring (kinds, circles) is judged by ``pipelines.specs.spec.validate`` alone."""
    definitions: dict[str, Any] = {}
    choices = []
    for name, step in STEPS.items():
        params = step.Params.model_json_schema(ref_template=f"#/$defs/{name}/$defs/{{model}}")
        definitions[name] = {**params, "title": step.label, "description": step.help}
        choices.append({
            "if": {"properties": {"step": {"const": name}}, "required": ["step"]},
            "then": {"properties": {
                "params": {"$ref": f"#/$defs/{name}"},
                "ask": {"items": {"enum": [*step.Params.model_fields]}} if step.Params.model_fields else {"maxItems": 0},
            }},
        })  # fmt: skip
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Distill Studio pipeline",
        "type": "object",
        "additionalProperties": False,
        "required": ["schema", "nodes"],
        "properties": {
            "schema": {"const": SCHEMA},
            "name": {"type": "string"},
            "description": {"type": "string"},
            "imports": {"type": "object", "description": "How run_pipeline maps the files given with --dataset."},
            "nodes": {"type": "array", "minItems": 1, "maxItems": MAX_NODES, "items": {"$ref": "#/$defs/node"}},
            "edges": {"type": "array", "maxItems": MAX_EDGES, "items": {"$ref": "#/$defs/edge"}},
        },
        "$defs": {
            "node": {
                "type": "object",
                "additionalProperties": False,
                "required": ["id", "step"],
                "properties": {
                    "id": {"type": "string", "pattern": f"^{ID_PATTERN}$"},
                    "step": {"enum": [*STEPS]},
                    "note": {"type": "string", "maxLength": MAX_NOTE, "description": "For people; changes no result."},
                    "params": {"type": "object"},
                    "ask": {
                        "type": "array",
                        "items": {"type": "string"},
                        "uniqueItems": True,
                        "description": "Parameters that are asked when a run is started.",
                    },
                },
                "allOf": choices,
            },
            "edge": {
                "type": "object",
                "additionalProperties": False,
                "required": ["from", "to"],
                "properties": {
                    "from": {"type": "string", "pattern": END, "description": "node.port"},
                    "to": {"type": "string", "pattern": END, "description": "node.port"},
                },
            },
            **definitions,
        },
    }
