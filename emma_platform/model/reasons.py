"""Why a row is set aside: the closed list of reasons, what each means and what the sender can do.

Belongs here: the reasons and the codes that are no product. Does not belong here: the rules that find them
(`sources` for rows that belong to no partition, `transforms/clean_sales.sql` for the others).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: the code in the table, its meaning and the remedy."""

    code: str
    meaning: str
    remedy: str


REASONS: tuple[Reason, ...] = (
    Reason(
        "unreadable_line",
        "The line has another number of fields than its header, or text in no known encoding.",
        "Quote fields that hold the delimiter and save the file in one encoding, UTF-8 if you can.",
    ),
    Reason("missing_store", "The store is empty.", "Fill in the store, or give it as a constant in sources.yaml."),
    Reason(
        "bad_date",
        "The time of sale is empty or no date.",
        "Write it as 2026-11-22 17:45:00, or give date_format in sources.yaml.",
    ),
    Reason(
        "future_date",
        "The day is later than the day after the file arrived.",
        "Correct the clock of the till, then send the file again.",
    ),
    Reason(
        "prehistoric_date",
        "The day is before the first day of the platform.",
        "Correct the date, or set EMMA_FIRST_DAY to an earlier day.",
    ),
    Reason("missing_receipt", "The receipt number is empty.", "Fill in the receipt number."),
    Reason("missing_product", "The product is empty.", "Fill in the product code."),
    Reason(
        "not_a_product",
        "The code stands for postage, a fee, a voucher, a test or the like, and is in no product file.",
        "Nothing, or add the code to a products file to have it counted as a product.",
    ),
    Reason(
        "bad_quantity",
        "The quantity is empty, no number, not finite, or beyond what a till can count.",
        "Correct the quantity.",
    ),
    Reason(
        "bad_price",
        "The unit price is empty, no number, not finite, or beyond what a till can count.",
        "Correct the unit price.",
    ),
    Reason(
        "bad_discount",
        "The discount is no number, not finite, or below zero.",
        "Correct the discount, or leave it empty.",
    ),
    Reason("zero_quantity", "The quantity is zero.", "Leave such lines out of the export."),
    Reason(
        "zero_price", "The price is zero and no discount explains it.", "Give the discount, or leave such lines out."
    ),
    Reason(
        "negative_price", "The unit price is below zero.", "Write a return as a negative quantity at a positive price."
    ),
    Reason(
        "absurd_quantity",
        "The quantity is far beyond what this product sells; the rule is in docs/tables.md.",
        "Correct the quantity, or give the product a max_quantity in a products file.",
    ),
    Reason(
        "bad_reference",
        "A row of a products, stores, stock, promotions, price plan or calendar file lacks its key or holds no valid value.",
        "Correct the row; the file name and line say where it is.",
    ),
)

REASON_CODES: tuple[str, ...] = tuple(reason.code for reason in REASONS)

NON_PRODUCT_CODES: tuple[str, ...] = (
    "POST", "POSTAGE", "DOT", "SHIPPING", "DELIVERY", "CARRIAGE", "FREIGHT", "PACKAGING", "FEE", "FEES", "BANK CHARGES",
    "AMAZONFEE", "COMMISSION", "ADJUST", "ADJUST2", "ADJUSTMENT", "MANUAL", "DISCOUNT", "COUPON", "VOUCHER", "GIFT CARD",
    "GIFT VOUCHER", "CRUK", "DONATION", "TIP", "TIPS", "DEPOSIT", "ROUNDING", "SAMPLE", "SAMPLES", "PADS", "C2", "TEST",
    "TEST001", "TEST002",
)  # fmt: skip
"""Codes of tills and shops that stand for no product; EMMA_NON_PRODUCT_CODES adds one's own."""
