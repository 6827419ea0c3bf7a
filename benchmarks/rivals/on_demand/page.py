"""The page of one product in one store, computed when it is asked for.

Belongs here: reading objects and adding them up. Does not belong here: forecast and price (`advice`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from benchmarks.rivals.on_demand.advice import Forecast, Price, forecast, price
from benchmarks.rivals.on_demand.models import Product, Receipt, ReceiptLine, Store

HISTORY_DAYS = 91


@dataclass(frozen=True)
class Day:
    """The figures of one day."""

    day: date
    units: Decimal
    revenue: Decimal
    gross_margin: Decimal | None
    units_28d: Decimal
    revenue_28d: Decimal


@dataclass(frozen=True)
class Page:
    """What is shown."""

    days: list[Day]
    revenue_rank_28d: int
    abc_class: str
    revenue_share_of_category_28d: Decimal | None
    forecast: Forecast
    price: Price


def product_page(session: Session, store_code: str, product_code: str) -> Page:
    """The page: 91 days, the product's place among the others, forecast and price."""
    store = session.scalars(select(Store).where(Store.code == store_code)).one()
    product = session.scalars(
        select(Product).options(joinedload(Product.category)).where(Product.code == product_code)
    ).one()
    newest = session.scalar(select(func.max(Receipt.sold_at)).where(Receipt.store_id == store.id))
    if newest is None:
        raise LookupError(f"{store_code} has sold nothing")
    last = newest.date()
    own = _lines(session, store, product=product)
    rank, abc, share = _place(_lines(session, store, since=last - timedelta(27)), product)
    units, revenue = _by_day(own)
    return Page(
        days=[_day(product, last - timedelta(back), units, revenue) for back in range(HISTORY_DAYS - 1, -1, -1)],
        revenue_rank_28d=rank,
        abc_class=abc,
        revenue_share_of_category_28d=share,
        forecast=forecast(units, last),
        price=price(own, product, last),
    )


def _lines(
    session: Session, store: Store, *, product: Product | None = None, since: date | None = None
) -> list[ReceiptLine]:
    query = select(ReceiptLine).join(ReceiptLine.receipt).where(Receipt.store_id == store.id)
    query = query.options(joinedload(ReceiptLine.receipt), joinedload(ReceiptLine.product).joinedload(Product.category))
    if product is not None:
        query = query.where(ReceiptLine.product_id == product.id)
    if since is not None:
        query = query.where(Receipt.sold_at >= datetime.combine(since, time()))
    return list(session.scalars(query))


def _by_day(lines: list[ReceiptLine]) -> tuple[dict[date, Decimal], dict[date, Decimal]]:
    units: dict[date, Decimal] = defaultdict(Decimal)
    revenue: dict[date, Decimal] = defaultdict(Decimal)
    for line in lines:
        units[line.receipt.sold_at.date()] += line.quantity
        revenue[line.receipt.sold_at.date()] += line.quantity * line.unit_price
    return units, revenue


def _day(product: Product, day: date, units: dict[date, Decimal], revenue: dict[date, Decimal]) -> Day:
    window = [day - timedelta(back) for back in range(28)]
    sold, taken = units.get(day, Decimal()), revenue.get(day, Decimal())
    return Day(
        day=day,
        units=sold,
        revenue=taken,
        gross_margin=None if product.unit_cost is None else taken - sold * product.unit_cost,
        units_28d=sum((units.get(one, Decimal()) for one in window), Decimal()),
        revenue_28d=sum((revenue.get(one, Decimal()) for one in window), Decimal()),
    )


def _place(lines: list[ReceiptLine], product: Product) -> tuple[int, str, Decimal | None]:
    """Rank by revenue, ABC class and share of the category, from all lines of the store's last 28 days."""
    revenue: dict[str, Decimal] = defaultdict(Decimal)
    of_category = Decimal()
    for line in lines:
        brought = line.quantity * line.unit_price
        revenue[line.product.code] += brought
        if line.product.category.name == product.category.name:
            of_category += brought
    ordered = sorted(revenue, key=lambda code: (-revenue[code], code))
    if product.code not in revenue:
        return len(ordered) + 1, "C", None
    rank = ordered.index(product.code) + 1
    before = sum(max(revenue[code], Decimal()) for code in ordered[: rank - 1])
    share = before / sum(max(brought, Decimal()) for brought in revenue.values())
    abc = "A" if share < Decimal("0.80") else "B" if share < Decimal("0.95") else "C"
    return rank, abc, revenue[product.code] / of_category if of_category else None
