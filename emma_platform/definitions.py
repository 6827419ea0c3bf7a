"""The one entry point that Dagster loads; `workspace.yaml` names it."""

from emma_platform.pipeline.build import build_definitions

defs = build_definitions()
