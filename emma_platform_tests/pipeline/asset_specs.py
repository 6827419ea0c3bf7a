"""The assets as they are promised, in asset_specs.json.

When they change on purpose, write the file anew and read its difference:
`.venv/bin/python -m emma_platform_tests.pipeline.asset_specs`
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import dagster as dg

from emma_platform.model.tables import TABLES
from emma_platform.pipeline.specs import asset_specs

FILE = Path(__file__).with_suffix(".json")
CUT = {dg.MultiPartitionsDefinition: "store and day", dg.DynamicPartitionsDefinition: "store", type(None): "one piece"}


def described() -> str:
    """Every asset: what it is called, hangs on, belongs to, is cut by and holds."""
    specs = asset_specs(date(2026, 1, 1), dict.fromkeys(TABLES, ""))
    return json.dumps([_asset(spec) for spec in specs], indent=2, ensure_ascii=False) + "\n"


def _asset(spec: dg.AssetSpec) -> dict[str, object]:
    return {
        "key": spec.key.to_user_string(),
        "description": spec.description,
        "group": spec.group_name,
        "owners": list(spec.owners),
        "kinds": sorted(spec.kinds),
        "partitions": CUT[type(spec.partitions_def)],
        "deps": {dep.asset_key.to_user_string(): _mapping(dep) for dep in spec.deps},
        "columns": [column.name for column in spec.metadata["dagster/column_schema"].columns],
    }


def _mapping(dep: dg.AssetDep) -> str:
    mapping = dep.partition_mapping
    return "default" if mapping is None else mapping.description


if __name__ == "__main__":
    FILE.write_text(described(), encoding="utf-8")
