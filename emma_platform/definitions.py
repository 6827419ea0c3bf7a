"""The one entry point that Dagster loads; `workspace.yaml` names it."""

from emma_platform.pipeline.build import build_definitions
from emma_platform.pipeline.warm import warm_runs

warm_runs()
defs = build_definitions()
