"""What to charge, or why not to change it.

Belongs here: what is known of each product brought together, and the advice as `price_recommendations`. Does not belong
here: which prices are allowed and what they earn (`price_ladder`), the choice (`price_choice`) and the words
(`price_reasons`).
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.estimates import PRICE_GUARDRAILS, PRICE_RECOMMENDATIONS
from emma_platform.transforms.price_choice import Case, Knowledge, choose
from emma_platform.transforms.price_evidence import FEWEST_PRICES
from emma_platform.transforms.price_families import ties_of
from emma_platform.transforms.price_ladder import WORTH, Guardrails, Products
from emma_platform.transforms.price_panel import codes, floats, places
from emma_platform.transforms.price_reasons import Facts, reasons
from emma_platform.transforms.price_regression import Floats

SHORT_COVER_DAYS = 7
"""With stock for less, the price is never cut: it would sell out sooner, not sell more."""

WEEKS = 4.0
"""In the horizon of 28 days."""

_QUANTILE_975 = 1.959964

_STATUSES = pa.array([case.status for case in Case], pa.string())

MOSTLY_PRIOR = 0.5
"""Weight of a product's own sales below which others say more."""


def recommend(
    *,
    evidence: pa.Table,
    response: pa.Table,
    forecast: pa.Table,
    latest: pa.Table,
    listed: pa.Table,
    guardrails: Guardrails,
    store: str,
    made_on: date,
) -> pa.Table:
    """Price advice for one store: one row per product of the evidence, sorted by product.

    Among the allowed prices whose gain is above zero with a chance of 90 %, the one with the highest expected gain
    under the posterior is recommended, if the product's price has ever moved and the gain over the horizon is at least
    what changing a price costs; where it has not, or the posterior is mostly prior, and such a gain is likely but not
    shown, the smallest test that can show it is proposed, if there is one.
    The uncertainty is that of the elasticity, and of the current price where it has not been paid of late; the forecast
    scales the gain and not its sign. A guardrail's cost is the expected gain of what would be recommended without that
    one, less that of what is; it is known of products whose price has moved. A price is not cut when the stock will not
    last, and not changed within `cool_down_days` of its last change. Products of a price group move to one price, and
    packs keep the order of their unit prices (`price_families`). Where the forecast counts on a
    planned price, there is no other advice than to carry that out.

    Args:
        evidence: `price_evidence` of the store.
        response: `price_response` of the same products.
        forecast: `sales_forecast` of the store, made on `made_on`.
        latest: `product_kpis` of the store on `made_on`: product, unit_cost, on_hand, days_of_cover; products may
            lack.
        listed: `products`: product, price_group, pack_family, pack_size; products may lack.
        guardrails: what prices must keep to.
        store: the store.
        made_on: the store's last known day.

    Raises:
        ValueError: the response lacks a product of the evidence.
    """
    evidence = evidence.sort_by("product")
    names = evidence["product"].combine_chunks()
    count = len(names)
    if not count:
        return PRICE_RECOMMENDATIONS.arrow_schema().empty_table()
    place = codes(names, response["product"].combine_chunks())
    if (place < 0).any():
        raise ValueError("price_response lacks products of price_evidence; compute both from the same evidence")
    elasticity, error = floats(response["elasticity"])[place], floats(response["std_error"])[place]
    weight = floats(response["own_weight"])[place]
    points = evidence["price_points"].to_numpy()
    current = floats(evidence["current_price"])
    cost, cover = _looked_up(names, latest, "unit_cost"), _cover(names, latest, forecast, made_on)
    units = _horizon_units(names, forecast)

    case = np.full(count, Case.RECOMMEND, dtype=np.int64)
    case[np.isnan(units)] = Case.NO_FORECAST
    case[~(cost >= 0)] = Case.NO_COST
    case[~(current > 0)] = Case.NO_PRICE
    planned, planned_in = _planned(names, forecast, made_on)
    case[(case == Case.RECOMMEND) & (planned > 0)] = Case.PLANNED
    known = np.flatnonzero(case == Case.RECOMMEND)
    stays = np.isin(case, (Case.NO_COST, Case.PLANNED)) & ~np.isnan(units)
    ties = ties_of(names, listed, known=case == Case.RECOMMEND, priced=stays, price=current)
    moved = ((points >= FEWEST_PRICES) & (weight > 0))[known]
    since = evidence["price_since"].cast(pa.int32()).to_numpy()
    wait = guardrails.cool_down_days - ((made_on - date(1970, 1, 1)).days - since.astype(np.float64))
    choice = choose(
        Products(current[known], cost[known], units[known], elasticity[known], error[known]),
        guardrails,
        Knowledge(
            moved=moved,
            mostly_prior=~moved | (weight[known] < MOSTLY_PRIOR),
            short=cover[known] < SHORT_COVER_DAYS,
            cooling=wait[known] > 0,
            charged=np.nan_to_num(floats(evidence["still_charged"])[known]),
            noise=_noise(names, forecast)[known],
            ties=ties,
        ),
    )
    case[known] = choice.case
    blank = case >= Case.BELOW_COST

    def whole(values: Floats) -> Floats:
        """Values of the products that were chosen for, as values of all."""
        result = np.zeros(count)
        result[known] = values
        return result

    costs = np.full((count, len(PRICE_GUARDRAILS)), np.nan)
    costs[known] = choice.costs
    dearest = np.argmax(np.nan_to_num(costs), axis=1)
    most = np.nan_to_num(costs[np.arange(count), dearest])
    waits = case == Case.PLANNED
    lowest = floats(evidence["lowest_price_30d"])
    price = np.where(waits, current, whole(choice.price))
    expected = np.where(waits, units, whole(choice.units))
    reduction = 100.0 * np.maximum(1.0 - price / lowest, 0.0)
    tested = np.isin(case, [each for each in Case if each.status == "explore"])
    held = np.isin(case, [each for each in Case if each.status == "hold"])
    words = Facts(
        current=current,
        cost=cost,
        cover=cover,
        elasticity=elasticity,
        forecast=units,
        price=price,
        gain=whole(choice.p50),
        probability=whole(choice.probability),
        units=whole(choice.units),
        other=whole(choice.other),
        other_gain=whole(choice.other_gain),
        other_probability=whole(choice.other_probability),
        wait=wait,
        lowest=lowest,
        seen=np.nan_to_num(floats(evidence["still_charged"])),
        days=whole(choice.test_days.astype(np.float64)),
        answer=whole(choice.test_chance),
        risk=whole(choice.test_cost),
        group=whole(np.zeros(len(known)) if ties is None else (ties.group >= 0).astype(np.float64)) > 0,
        planned=planned,
        planned_in=planned_in,
        change_cost=np.full(count, guardrails.change_cost),
    )
    return pa.Table.from_arrays(
        [
            pa.array([store] * count, pa.string()),
            names,
            pa.array([made_on] * count, pa.date32()),
            evidence["current_price"],
            pa.array(price, mask=blank),
            _STATUSES.take(places(case)),
            pa.array(whole(choice.p10), mask=blank),
            pa.array(whole(choice.p50), mask=blank),
            pa.array(whole(choice.p90), mask=blank),
            pa.array(expected, mask=blank),
            pa.array(whole(choice.probability), mask=blank | held),
            pa.array(PRICE_GUARDRAILS, pa.string()).take(places(np.where(most < WORTH, -1, dearest))),
            pa.array(most, mask=most < WORTH),
            *(pa.array(each / WEEKS, mask=np.isnan(each)) for each in costs.T),
            evidence["lowest_price_30d"],
            pa.array(reduction, mask=blank | ~(price < current) | np.isnan(reduction)),
            pa.array(whole(choice.test_days.astype(np.float64)), pa.int64(), mask=~tested),
            pa.array(whole(choice.test_chance), mask=~tested),
            pa.array(whole(choice.test_cost), mask=~tested),
            pa.array(reasons(case, words), pa.string()),
        ],
        schema=PRICE_RECOMMENDATIONS.arrow_schema(),
    )


def _looked_up(names: pa.Array[pa.StringScalar], rows: pa.Table, column: str) -> Floats:
    """The column's value for each product; not a number where there is none."""
    place = codes(names, rows["product"].combine_chunks())
    return np.asarray(np.where(place >= 0, np.r_[floats(rows[column]), np.nan][place], np.nan))


def _cover(names: pa.Array[pa.StringScalar], latest: pa.Table, forecast: pa.Table, made_on: date) -> Floats:
    """Days that the stock lasts at the rate forecast for the next `SHORT_COVER_DAYS`, or else at the past rate.

    Not a number where no stock is known.
    """
    soon = pa.scalar(made_on + timedelta(days=SHORT_COVER_DAYS), pa.date32())
    rate = _horizon_units(names, forecast.filter(pc.less_equal(forecast["day"], soon))) / SHORT_COVER_DAYS
    stock = np.maximum(_looked_up(names, latest, "on_hand"), 0.0)
    days = np.divide(stock, rate, out=np.full(len(names), np.nan), where=rate > 0)
    return np.where(np.isnan(days), _looked_up(names, latest, "days_of_cover"), days)


def _planned(names: pa.Array[pa.StringScalar], forecast: pa.Table, made_on: date) -> tuple[Floats, Floats]:
    """The next price that the forecast counts on, and in how many days; not a number where the price stays."""
    rows = forecast.filter(forecast["planned_price"].is_valid()).sort_by([("day", "descending")])
    place = codes(rows["product"], names)
    held = place >= 0
    price, ahead = np.full(len(names), np.nan), np.full(len(names), np.nan)
    price[place[held]] = floats(rows["planned_price"])[held]
    day = rows["day"].cast(pa.int32()).to_numpy().astype(np.float64)
    ahead[place[held]] = (day - (made_on - date(1970, 1, 1)).days)[held]
    return price, ahead


def _noise(names: pa.Array[pa.StringScalar], forecast: pa.Table) -> Floats:
    """Variance of a day's sales over their mean, from the forecast's 95 % intervals; at least 1, that of Poisson."""
    place = codes(forecast["product"], names)
    wide = (floats(forecast["p975"]) - floats(forecast["p025"])) / (2.0 * _QUANTILE_975)
    known = (place >= 0) & np.isfinite(wide)
    variance = np.bincount(place[known], weights=wide[known] ** 2, minlength=len(names))
    mean = np.bincount(place[known], weights=floats(forecast["mean"])[known], minlength=len(names))
    return np.maximum(np.divide(variance, mean, out=np.ones(len(names)), where=mean > 0), 1.0)


def _horizon_units(names: pa.Array[pa.StringScalar], forecast: pa.Table) -> Floats:
    """Expected units of each product over the days of the forecast; not a number without a forecast."""
    forecast = forecast.sort_by([("product", "ascending"), ("day", "ascending")])
    place = codes(forecast["product"], names)
    mean = floats(forecast["mean"])
    known = (place >= 0) & np.isfinite(mean)
    total = np.bincount(place[known], weights=mean[known], minlength=len(names))
    return np.where(np.bincount(place[known], minlength=len(names)) > 0, np.maximum(total, 0.0), np.nan)
