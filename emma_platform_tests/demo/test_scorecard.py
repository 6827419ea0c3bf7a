from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from emma_platform.demo.picture import picture
from emma_platform.demo.scorecard import TABLES, scorecard
from emma_platform_tests.demo.truth_tables import perfect, reasons, status


@pytest.fixture(scope="module")
def world(default_chain, default_files):
    _, injected = default_files
    return default_chain, injected, perfect(default_chain, injected)


def score(world, *, lines=None, by_reason=None, **tables):
    chain, injected, truth = world
    return scorecard(
        chain, injected, {**truth, **tables}, {**status(injected), **(lines or {})},
        {**reasons(injected), **(by_reason or {})},
    )  # fmt: skip


def missed(card) -> set[str]:
    return {row.measure for row in card.missed}


def put(table: pa.Table, column: str, values) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, pa.array(values))


def test_a_platform_that_knows_the_truth_scores_perfectly(world):
    card = score(world)
    assert card.met, card.as_text()
    found = {row.measure: row.found for row in card.rows}
    assert found["forecast: WAPE against true expected demand"] == "0.000"
    assert found["elasticities: correlation with the truth"].startswith("1.000")
    assert found["prices: share of the oracle's gain captured"].startswith("1.000")
    assert "NO" not in card.as_text()


def test_lost_lines_and_wrong_reasons_are_seen(world):
    _, injected, _ = world
    card = score(world, lines={"clean": injected.clean - 1}, by_reason={"bad_price": 1, "bad_reference": 2})
    assert missed(card) == {
        "lines clean", "lines lost (in - clean - set aside - duplicates)",
        "set aside: bad_price", "set aside: bad_reference",
    }  # fmt: skip
    assert "NO" in card.as_text()


def test_a_cent_moved_between_two_days_is_seen(world):
    kpis = world[2]["product_kpis"]
    revenue = kpis["revenue"].to_pylist()
    revenue[3], revenue[9] = revenue[3] + Decimal("0.01"), revenue[9] - Decimal("0.01")
    moved = kpis.set_column(2, "revenue", pa.array(revenue, pa.decimal128(18, 4)))
    assert missed(score(world, product_kpis=moved)) == {"product_kpis: store-days with another revenue or units"}
    assert missed(score(world, product_kpis=kpis.slice(1))) == {
        "product_kpis: revenue", "product_kpis: units", "product_kpis: store-days with another revenue or units",
    }  # fmt: skip


def test_a_platform_that_forecasts_last_week_again_does_not_pass(world):
    chain, _, tables = world
    forecast = tables["sales_forecast"]
    s = np.array([chain.store_index[code] for code in forecast["store"].to_pylist()])
    p = np.array([chain.product_index[code] for code in forecast["product"].to_pylist()])
    week = chain.days - 7 + (forecast["horizon_days"].to_numpy() - 1) % 7
    naive = chain.sold[s, p, week].astype(float)
    card = score(world, sales_forecast=put(forecast, "mean", naive))
    assert missed(card) == {
        "forecast: WAPE against true expected demand", "forecast: skill against seasonal naive, simulated future",
    }  # fmt: skip


def test_narrow_intervals_and_missing_forecasts_are_seen(world):
    forecast = world[2]["sales_forecast"]
    narrow = put(forecast, "p90", forecast["p50"].to_numpy())
    measures = missed(score(world, sales_forecast=narrow))
    assert "forecast: coverage of 80 % intervals, simulated future" in measures
    assert "forecast: coverage of 80 % intervals, as forecast_scores says" in measures
    assert "forecast: coverage of 95 % intervals, simulated future" not in measures
    without = forecast.filter(pc.field("product") != forecast["product"][0].as_py())
    assert "forecast: store-products on sale that have one" in missed(score(world, sales_forecast=without))


def test_skill_leaves_out_days_that_the_naive_saw_through_an_empty_shelf(world):
    chain, _, tables = world
    forecast = tables["sales_forecast"]
    s = np.array([chain.store_index[code] for code in forecast["store"].to_pylist()])
    p = np.array([chain.product_index[code] for code in forecast["product"].to_pylist()])
    empty = chain.censored[s, p, chain.days - 7 + (forecast["horizon_days"].to_numpy() - 1) % 7]
    assert empty.any()

    def skill(wrong) -> str:
        card = score(world, sales_forecast=put(forecast, "mean", forecast["mean"].to_numpy() + 3.0 * wrong))
        return next(row.found for row in card.rows if row.measure.startswith("forecast: skill"))

    assert skill(empty) == skill(np.zeros_like(empty))
    assert skill(~empty) != skill(np.zeros_like(empty))


def test_older_forecasts_are_left_out(world):
    forecast = world[2]["sales_forecast"]
    day_before = pa.array([world[0].day(world[0].days - 2)] * forecast.num_rows, pa.date32())
    older = put(forecast, "made_on", day_before)
    older = put(older, "mean", np.full(older.num_rows, 1e6))
    assert score(world, sales_forecast=pa.concat_tables([forecast, older])).met


def test_elasticities_without_a_relation_to_the_truth_are_seen(world):
    response = world[2]["price_response"]
    shuffled = np.random.default_rng(0).permutation(response["elasticity"].to_numpy())
    measures = missed(score(world, price_response=put(response, "elasticity", shuffled)))
    assert measures == {
        "elasticities: correlation with the truth", "elasticities: mean absolute error",
    }  # fmt: skip
    assert missed(score(world, price_response=response.slice(1))) == {
        "elasticities of store-products whose price moved"
    }


def test_harmful_timid_and_blind_advice_is_seen(world):
    advice = world[2]["price_recommendations"]
    current, best = advice["current_price"].to_numpy(), advice["recommended_price"].to_numpy()
    wrong_way = put(advice, "recommended_price", 2 * current - best)
    measures = missed(score(world, price_recommendations=wrong_way))
    assert {"prices: share of recommendations that harm", "prices: share of the oracle's gain captured"} <= measures
    silent = put(advice, "status", ["hold"] * advice.num_rows)
    assert missed(score(world, price_recommendations=silent)) == {"prices: share of the oracle's gain captured"}
    loud = put(advice, "status", ["recommend"] * advice.num_rows)
    assert {
        "prices: recommended where the price never moved", "prices: recommended where the cost is not known",
    } <= missed(score(world, price_recommendations=loud))  # fmt: skip


def test_a_missing_table_is_named(world):
    chain, injected, tables = world
    some = {name: tables[name] for name in TABLES[1:]}
    with pytest.raises(KeyError, match="clean_sales"):
        scorecard(chain, injected, some, {}, {})


def test_empty_tables_score_badly_and_do_not_fail(world):
    empty = {name: table.slice(0, 0) for name, table in world[2].items()}
    card = score(world, **empty)
    assert {"forecast: WAPE against true expected demand", "prices: share of the oracle's gain captured"} <= missed(
        card
    )


def test_a_small_chain_can_be_scored(small_chain, tmp_path):
    from emma_platform.demo.landing import write_landing

    injected = write_landing(small_chain, tmp_path)
    card = scorecard(small_chain, injected, perfect(small_chain, injected), status(injected), reasons(injected))
    assert card.met, card.as_text()


def test_the_picture_is_a_png_of_the_product_asked_for(world):
    chain, _, tables = world
    best = picture(chain, tables)
    assert best.startswith(b"\x89PNG")
    other = picture(chain, tables, store="S002", product=chain.products[5].code)
    assert other != best
    with pytest.raises(ValueError, match="no price advice"):
        picture(chain, tables, store="S999")
