"""Every table is an asset that says what it is, whose it is and what it hangs on."""

from __future__ import annotations

from datetime import date

import dagster as dg
import pytest

from emma_platform.model.tables import KEPT, TABLES
from emma_platform.pipeline.checks import check_specs
from emma_platform.pipeline.specs import asset_specs
from emma_platform_tests.pipeline import asset_specs as snapshot

SPECS = {spec.key.to_user_string(): spec for spec in asset_specs(date(2026, 1, 1), {"clean_sales": "abc"})}


def test_the_assets_are_as_promised() -> None:
    assert snapshot.described() == snapshot.FILE.read_text(encoding="utf-8"), snapshot.__doc__


def test_every_table_is_an_asset() -> None:
    assert list(SPECS) == list(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_an_asset_says_what_it_is_and_has_checks(name: str) -> None:
    spec, table = SPECS[name], TABLES[name]
    assert spec.description
    assert spec.group_name
    assert all(owner.startswith("team:") for owner in spec.owners)
    assert spec.owners
    assert spec.kinds
    assert spec.skippable
    assert [check for check in check_specs() if check.asset_key == dg.AssetKey(name) and check.description]
    columns = {column.name: column for column in spec.metadata["dagster/column_schema"].columns}
    for column in table.columns:
        assert column.meaning in (columns[column.name].description or "")
        assert columns[column.name].constraints.nullable is column.nullable


def test_checks_are_named_for_assets_that_are_there() -> None:
    assert {spec.asset_key.to_user_string() for spec in check_specs()} == {*KEPT, "published"}
    assert len({spec.key for spec in check_specs()}) == len(check_specs())


def test_code_versions_are_those_of_the_ledger() -> None:
    assert SPECS["clean_sales"].code_version == "abc"
    assert SPECS["raw_sales"].code_version is None
