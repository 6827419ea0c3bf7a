"""The database: who sells what, and every line of every receipt, each fact once.

Belongs here: tables and how they hang together. Does not belong here: any question asked of them (`page`).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, Numeric
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """The database."""


class Store(Base):
    """A shop."""

    __tablename__ = "stores"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)


class Category(Base):
    """A group of products."""

    __tablename__ = "categories"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class Product(Base):
    """What is sold."""

    __tablename__ = "products"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    unit_cost: Mapped[Decimal | None] = mapped_column(Numeric(18, 6))
    category_id: Mapped[int] = mapped_column(ForeignKey("categories.id"))
    category: Mapped[Category] = relationship()


class Receipt(Base):
    """A basket."""

    __tablename__ = "receipts"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str]
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    sold_at: Mapped[datetime]
    __table_args__ = (Index("receipts_of_store", "store_id", "sold_at"),)


class ReceiptLine(Base):
    """A line of it; returns are below zero."""

    __tablename__ = "receipt_lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipts.id"), index=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), index=True)
    quantity: Mapped[Decimal] = mapped_column(Numeric(18, 3))
    unit_price: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    receipt: Mapped[Receipt] = relationship()
    product: Mapped[Product] = relationship()
