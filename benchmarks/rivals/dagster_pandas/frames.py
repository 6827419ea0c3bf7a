"""What the assets compute, as plain pandas.

Belongs here: cleaning a day and the key figures of a day. Does not belong here: Dagster (`project`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

LINE = ["receipt", "line", "sold_at", "product", "quantity", "unit_price"]
WEEK = 7
A_SHARE, B_SHARE = 0.80, 0.95


def read_day(path: Path) -> pd.DataFrame:
    """The lines of a file, as text."""
    return pd.read_csv(path, dtype="string")


def clean(raw: pd.DataFrame) -> pd.DataFrame:
    """Typed lines without duplicates; lines that cannot be read are left out."""
    lines = raw.assign(
        sold_at=pd.to_datetime(raw["sold_at"], errors="coerce"),
        quantity=pd.to_numeric(raw["quantity"], errors="coerce"),
        unit_price=pd.to_numeric(raw["unit_price"], errors="coerce"),
    )
    lines = lines.dropna(subset=LINE).drop_duplicates(subset=["store", *LINE])
    lines = lines[(lines["quantity"] != 0) & (lines["unit_price"] > 0)]
    return lines.assign(
        day=lines["sold_at"].dt.normalize(),
        revenue=lines["quantity"] * lines["unit_price"],
        is_return=lines["quantity"] < 0,
    )


def key_figures(lines: pd.DataFrame, products: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """One row a product sold within the 28 days that `lines` hold."""
    age = (day - lines["day"]).dt.days
    today, week, before = lines[age == 0], lines[age < WEEK], lines[(age >= WEEK) & (age < 2 * WEEK)]
    figures = lines.groupby("product").agg(units_28d=("quantity", "sum"), revenue_28d=("revenue", "sum"))
    for name, part in (("7d", week), ("previous_7d", before)):
        figures[f"revenue_{name}"] = part.groupby("product")["revenue"].sum()
    sold = today[~today["is_return"]].groupby("product")
    figures = figures.assign(
        units=today.groupby("product")["quantity"].sum(),
        revenue=today.groupby("product")["revenue"].sum(),
        sold_units=sold["quantity"].sum(),
        sold_revenue=sold["revenue"].sum(),
        receipts=sold["receipt"].nunique(),
    ).fillna(0)
    figures = figures.reset_index().merge(products[["product", "category", "unit_cost"]], on="product", how="left")
    figures["average_price"] = figures["sold_revenue"] / figures["sold_units"].replace(0, np.nan)
    figures["cost"] = figures["units"] * figures["unit_cost"]
    figures["gross_margin"] = figures["revenue"] - figures["cost"]
    figures["growth_wow_pct"] = 100 * (figures["revenue_7d"] / figures["revenue_previous_7d"].replace(0, np.nan) - 1)
    of_category = figures.groupby("category")["revenue_28d"].transform("sum")
    figures["revenue_share_of_category_28d"] = figures["revenue_28d"] / of_category
    figures = figures.sort_values(["revenue_28d", "product"], ascending=[False, True])
    figures["revenue_rank_28d"] = np.arange(1, len(figures) + 1)
    positive = figures["revenue_28d"].clip(lower=0)
    share = (positive.cumsum() - positive) / positive.sum()
    figures["abc_class"] = np.select([share < A_SHARE, share < B_SHARE], ["A", "B"], "C")
    return figures.assign(day=day)
