"""Two assets as the UI shows them, for its queries. Belongs here: nothing that is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from emma_platform.pipeline.partitions import STORES


@dg.multi_asset(
    specs=[dg.AssetSpec(name, partitions_def=STORES, skippable=True) for name in ("product_kpis", "clean_sales")],
    check_specs=[dg.AssetCheckSpec("sums", asset="product_kpis")],
    can_subset=True,
)
def shown() -> Iterator[dg.MaterializeResult[Any]]:
    yield dg.MaterializeResult("product_kpis")


definitions = dg.Definitions([shown])
