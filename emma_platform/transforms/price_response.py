"""The price response of one store's products: own evidence and what the chain says, weighted by their precision.

Belongs here: the posterior elasticity, as `price_response`. Does not belong here: where the evidence and the priors
come from (`price_evidence`, `price_priors`), and prices (`price_recommendations`).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.estimates import PRICE_RESPONSE
from emma_platform.transforms.price_evidence import FEWEST_WEEKS
from emma_platform.transforms.price_panel import codes, floats
from emma_platform.transforms.price_regression import Floats

WEAKEST = -0.05
"""No elasticity above this is reported: sales that rise with the price are noise or a cause that was not seen."""

OBSERVED = " From sales as they came, not from a trial: other causes may be in it."

Texts: TypeAlias = npt.NDArray[np.str_]

LEVELS = ("store-product", "product", "category", "chain")


def price_response(evidence: pa.Table, priors: pa.Table) -> pa.Table:
    """Posterior elasticities of one store: one row per product of the evidence, sorted by product.

    The prior is the nearest level that has a row (product, category, chain), which holds the levels above already; the
    posterior mean and variance are those of two independent normal measurements. Weights are shares of the posterior
    precision; a level counts for the precision that it adds to the level above it.

    Args:
        evidence: `price_evidence` of one store.
        priors: `price_priors`; without any row the chain's assumed prior cannot be known.

    Raises:
        ValueError: the priors hold no row for the chain.
    """
    evidence = evidence.sort_by([("store", "ascending"), ("product", "ascending")])
    means, precisions = zip(
        *(
            _prior(priors, level, evidence[column] if column else None, len(evidence))
            for level, column in (("product", "product"), ("category", "category"), ("chain", ""))
        ),
        strict=True,
    )
    if len(evidence) and not np.all(precisions[2] > 0):
        raise ValueError("price_priors holds no row for the chain; compute price_priors before price_response")
    own = np.nan_to_num(floats(evidence["own_elasticity"]))
    variance = floats(evidence["own_variance"]) * _inflation(priors)
    own_precision = np.where(np.isnan(variance), 0.0, 1.0 / np.maximum(np.nan_to_num(variance, nan=1.0), 1e-6))
    mean, prior_precision = means[2], precisions[2]
    added = [prior_precision]
    for level in (1, 0):
        held = precisions[level] > 0
        # Rounding can leave a level no narrower than the one above; it adds no precision then, but its mean counts.
        closer = np.where(held, np.maximum(precisions[level], prior_precision), prior_precision)
        mean = np.where(held, means[level], mean)
        added.append(closer - prior_precision)
        prior_precision = closer
    precision = own_precision + prior_precision
    weights = np.stack([own_precision, *reversed(added)])
    level = np.argmax(weights, axis=0)
    posterior = (own_precision * own + prior_precision * mean) / precision
    cross = _cross(priors, evidence)
    return pa.Table.from_arrays(
        [
            evidence["store"],
            evidence["product"],
            pa.array(np.minimum(posterior, WEAKEST)),
            pa.array(np.sqrt(1.0 / precision)),
            pa.array(LEVELS, pa.string()).take(pa.array(level)),
            evidence["observations"],
            evidence["price_points"],
            pa.array(own_precision / precision),
            pa.array(cross, mask=np.isnan(cross)),
            pa.array(_notes(evidence, posterior), pa.string()),
        ],
        schema=PRICE_RESPONSE.arrow_schema(),
    )


def _inflation(priors: pa.Table) -> float:
    """What the own variances lack, as the chain measured it."""
    found = floats(priors.filter(pc.field("level") == "chain")["inflation"])
    return float(found[0]) if len(found) else 1.0


def _cross(priors: pa.Table, evidence: pa.Table) -> Floats:
    """The cross elasticity of each product's category; not a number without one."""
    rows = priors.filter(pc.field("level") == "category")
    place = codes(evidence["category"], rows["name"].combine_chunks())
    return np.asarray(np.where(place >= 0, np.r_[floats(rows["cross_elasticity"]), np.nan][place], np.nan))


def _notes(evidence: pa.Table, posterior: Floats) -> Texts:
    """How each elasticity came about and how far it can be trusted; one or two plain sentences."""
    points, weeks = evidence["price_points"].to_numpy(), evidence["observations"].to_numpy()
    own = floats(evidence["own_elasticity"])
    known = np.strings.add(
        np.strings.add("Seen in ", np.char.mod("%d", weeks)),
        np.strings.add(np.strings.add(" weeks at ", np.char.mod("%d", points)), " prices."),
    )
    said = np.select(
        [weeks < FEWEST_WEEKS, np.isnan(own), own >= 0.0],
        [
            f"Sold in fewer than {FEWEST_WEEKS} whole weeks: similar products speak for it.",
            "Its price hardly moved: similar products speak for it.",
            "Its own sales rose with the price, by chance or by an unseen cause; similar products count.",
        ],
        known,
    )
    kept = np.where(posterior > WEAKEST, " No fall in sales was found; the weakest response is assumed.", "")
    return np.asarray(np.strings.add(np.strings.add(said, kept), OBSERVED))


def _prior(
    priors: pa.Table, level: str, names: pa.ChunkedArray[pa.StringScalar] | None, count: int
) -> tuple[Floats, Floats]:
    """Elasticity and precision of the level's row for each product; precision zero where it has none."""
    rows = priors.filter(pc.field("level") == level)
    if not len(rows):
        return np.zeros(count), np.zeros(count)
    place = np.zeros(count, dtype=np.int64) if names is None else codes(names, rows["name"].combine_chunks())
    held = place >= 0
    spread = np.maximum(floats(rows["spread"]), 1e-6)[place]
    return np.where(held, floats(rows["elasticity"])[place], 0.0), np.where(held, 1.0 / spread**2, 0.0)
