"""The receipt of a product's figures: what its template is given.

Belongs here: arranging what `serving.receipts` found. Does not belong here: routes (`provenance_pages`) and finding it.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from emma_platform.model.access import StoreScope
from emma_platform.model.reasons import REASONS
from emma_platform.model.tables import TABLES
from emma_platform.serving.freshness import freshness
from emma_platform.serving.receipts import receipt
from emma_platform.web.addresses import product_path
from emma_platform.web.publication_shown import Shown

_REASONS = {reason.code: reason for reason in REASONS}


def receipt_values(shown: Shown, scope: StoreScope, store: str, product: str, day: date | None) -> dict[str, Any]:
    """All that the template of a receipt needs.

    Raises:
        ServingError: there is no such store, or it has no figures.
    """
    found = receipt(shown.reader, scope, store, product, day)
    named = shown.reader.ask(
        scope, "products", "SELECT name FROM {rows} WHERE product = $product", {"product": product}
    )
    return {
        "receipt": found,
        "name": (named[0]["name"] if named else None) or product,
        "store_name": shown.store_names(scope)[store],
        "here": product_path(store, product),
        "reasons": _REASONS,
        "meanings": {table.name: table.meaning for table in TABLES.values()},
        "fresh": freshness(shown.reader, scope),
        "runs": list(dict.fromkeys(c.run for c in found.computations if c.run is not None)),
    }
