"""The API: scope, formats, paging, time travel, deciding, errors, and one number through every door."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import openpyxl
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from starlette.testclient import TestClient

from emma_platform.model.tables import TABLES
from emma_platform.serving.contents import SERVED
from emma_platform.serving.listing import COLUMNS
from emma_platform.web.api_reference import schema
from emma_platform.web.auth.audit import Event
from emma_platform_tests.web import api_home
from emma_platform_tests.web.people import People

if TYPE_CHECKING:
    import schemathesis

V1 = "/api/v1"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    found = api_home.make(tmp_path_factory.mktemp("home"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def anna(company: People) -> TestClient:
    return company.signed_in("anna")


@pytest.fixture(scope="module")
def max_(company: People) -> TestClient:
    """Sees S1 and S2."""
    return company.signed_in("max")


def get(browser: TestClient, path: str, **asked: Any) -> Any:
    found = browser.get(f"{V1}{path}", params=asked)
    assert found.status_code == 200, found.text
    return found.json(parse_float=Decimal)


def test_one_number_through_every_door(company: People, anna: TestClient) -> None:
    asked = {"store": "S2", "q": "P2"}
    (listed,) = get(anna, "/products", **asked)["rows"]
    expected = Decimal(listed["revenue_28d"])
    (overview,) = get(anna, "/products/S2/P2")["overview"]
    text = anna.get(f"{V1}/products", params={**asked, "format": "csv"}).text
    (of_csv,) = csv.DictReader(io.StringIO(text))
    sheet = openpyxl.load_workbook(io.BytesIO(anna.get(f"{V1}/products", params={**asked, "format": "xlsx"}).content))
    names, values = sheet.active.iter_rows(values_only=True)
    of_parquet = pq.read_table(io.BytesIO(anna.get(f"{V1}/products", params={**asked, "format": "parquet"}).content))
    table = get(anna, "/tables/product_overview", store="S2", column=["product", "revenue_28d"])["rows"]
    with duckdb.connect(str(company.auth.settings.published / "serving.duckdb"), read_only=True) as connection:
        sql = "SELECT revenue_28d FROM product_overview WHERE store = 'S2' AND product = 'P2'"
        of_sql = connection.execute(sql).fetchall()[0][0]
    (of_page,) = re.findall(
        r'<a href="/glossary#revenue_28d">.*?<data value="([^"]+)"', anna.get("/products/S2/P2").text, re.DOTALL
    )
    assert expected == Decimal(of_page)
    assert expected == Decimal(overview["revenue_28d"]) == Decimal(of_csv["revenue_28d"]) == of_sql
    assert expected == Decimal(str(values[names.index("revenue_28d")])) == of_parquet["revenue_28d"][0].as_py()
    assert expected == next(Decimal(row["revenue_28d"]) for row in table if row["product"] == "P2")
    assert "." in listed["revenue_28d"]


def test_the_list_has_pages_of_one_publication(anna: TestClient) -> None:
    first = get(anna, "/products", limit=4, sort="product", order="asc")
    assert (first["publication"], first["totals"]["products"], len(first["rows"])) == ("p1", 9, 4)
    assert "known_on=p1" in first["next"]
    assert "limit=4" in first["next"]
    seen = list(first["rows"])
    page = first
    while page["next"]:
        page = anna.get(page["next"]).json()
        seen += page["rows"]
    assert [(row["product"], row["store"]) for row in seen] == [
        (product, store) for product in api_home.PRODUCTS for store in api_home.STORES
    ]
    assert len(seen[0]["units_by_day_30d"]) == 30
    assert set(seen[0]) == {column.name for column in COLUMNS} | {"attention"}


def test_nothing_of_another_store_is_told(max_: TestClient) -> None:
    page = get(max_, "/products")
    assert set(page["stores"]) == {row["store"] for row in page["rows"]} == {"S1", "S2"}
    assert page["totals"]["products"] == 6
    for name, table in SERVED.items():
        rows = get(max_, f"/tables/{name}")["rows"]
        if "store" in table.names:
            assert {row["store"] for row in rows} <= {"S1", "S2", None}
        told = {one["name"]: one["rows"] for one in get(max_, "/tables")["tables"]}
        assert told[name] == len(rows)
    asking = {"store": "S3"}
    for path, asked in (("/products", asking), ("/tables/clean_sales", asking), ("/products/S3/P1", {})):
        hidden = max_.get(f"{V1}{path}", params=asked)
        unknown = max_.get(f"{V1}{path.replace('S3', 'S9')}", params=dict.fromkeys(asked, "S9"))
        assert hidden.status_code == unknown.status_code in {400, 404}
        assert hidden.json()["detail"] == unknown.json()["detail"].replace("S9", "S3")
    answered = max_.post(f"{V1}/advice", json={"store": "S3", "product": "P1", "decision": "decline", "reason": "x"})
    assert answered.status_code in {400, 404}


def test_as_it_was_known_on(anna: TestClient) -> None:
    now, then = (get(anna, "/products/S1/P1", **asked) for asked in ({}, {"known_on": "p0"}))
    assert (now["publication"], then["publication"]) == ("p1", "p0")
    assert now["overview"][0]["name"] != then["overview"][0]["name"]
    assert [one["id"] for one in get(anna, "/publications")["publications"]] == ["p1", "p0"]
    assert "kept are: p1, p0" in anna.get(f"{V1}/products", params={"known_on": "p9"}).json()["detail"]


def test_rows_of_a_table(anna: TestClient) -> None:
    asked = {"store": "S1", "from": "2026-11-20", "to": "2026-11-21", "column": ["day", "units"], "limit": 5}
    rows = get(anna, "/tables/product_kpis", **asked)["rows"]
    assert [set(row) for row in rows] == [{"day", "units"}] * 5
    assert {row["day"] for row in rows} <= {"2026-11-20", "2026-11-21"}
    by_accept = anna.get(f"{V1}/tables/stores", headers={"accept": "text/csv"})
    assert by_accept.headers["content-type"].startswith("text/csv")
    assert by_accept.headers["content-disposition"].endswith("stores.csv")
    assert len(by_accept.text.splitlines()) == 4
    found = anna.get(f"{V1}/tables/clean_sales", params={"format": "parquet"})
    assert pq.read_table(io.BytesIO(found.content)).schema == TABLES["clean_sales"].arrow_schema()


def test_what_is_packed_already_is_not_packed_again(anna: TestClient) -> None:
    asking = {"accept-encoding": "gzip"}
    packed = {
        kind: "content-encoding" in anna.get(f"{V1}/products", params={"format": kind}, headers=asking).headers
        for kind in ("json", "csv", "parquet", "xlsx")
    }
    assert packed == {"json": True, "csv": True, "parquet": False, "xlsx": False}


def test_an_excel_file_has_an_end(anna: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emma_platform.web.downloads.MOST_SHEET_ROWS", 10)
    refused = anna.get(f"{V1}/tables/clean_sales", params={"format": "xlsx"})
    assert (refused.status_code, "up to 10 here" in refused.json()["detail"]) == (404, True)
    assert anna.get(f"{V1}/tables/clean_sales", params={"format": "xlsx", "limit": 10}).status_code == 200


def test_an_answer_that_is_held_is_not_sent_again(company: People, anna: TestClient) -> None:
    first = anna.get(f"{V1}/products")
    again = anna.get(f"{V1}/products", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    held = {"if-none-match": first.headers["etag"]}
    for browser, path in ((anna, "/products?days=7"), (company.signed_in("max"), "/products")):
        assert browser.get(f"{V1}{path}", headers=held).status_code == 200
    assert first.headers["cache-control"] == "no-store"


def test_why_and_report(anna: TestClient, max_: TestClient) -> None:
    change = get(anna, "/why", kpi="units", by="store")
    assert {row["store"] for row in change["rows"]} == set(api_home.STORES)
    assert {row["store"] for row in get(max_, "/why", kpi="units", by="store")["rows"]} == {"S1", "S2"}
    assert anna.get(f"{V1}/why", params={"against": "soon"}).status_code == 400
    assert get(anna, "/report", store="S1")["title"]


def test_deciding(company: People, max_: TestClient, anna: TestClient) -> None:
    listed = get(max_, "/advice", waiting=False)["advice"]
    assert {one["store"] for one in listed} == {"S1", "S2"}
    asked = {"store": "S1", "product": "P1", "decision": "change", "price": "1.99", "reason": "rounder"}
    made = max_.post(f"{V1}/advice", json=asked)
    assert made.status_code == 200, made.text
    told = made.json()["decided"]
    assert (Decimal(told["price"]), told["by"], told["waiting"]) == (Decimal("1.99"), "max", True)
    files = list((company.auth.settings.landing / "advice_decisions").glob("*.csv"))
    assert [row["price"] for file in files for row in csv.DictReader(io.StringIO(file.read_text()))] == ["1.9900"]
    assert anna.post(f"{V1}/advice", json=asked).status_code == 403
    with company.auth.database.reading() as connection:
        logged = connection.execute(sa.text("select actor, subject, detail from audit_log where event = :event"),
                                    {"event": Event.DECIDED}).all()  # fmt: skip
    assert logged == [("max", "P1 in S1", "change to 1.99")]
    incomplete = max_.post(f"{V1}/advice", json={**asked, "decision": "decline", "reason": None})
    assert (incomplete.status_code, incomplete.headers["content-type"]) == (409, "application/problem+json")


def test_errors_are_problem_details(company: People, anna: TestClient) -> None:
    for browser, path, status in (
        (company.browser(), f"{V1}/products", 401),
        (company.browser(), "/api/openapi.json", 401),
        (anna, f"{V1}/tables/no", 404),
        (anna, f"{V1}/products?shop=S1", 422),
        (anna, f"{V1}/products?sort=no", 422),
    ):
        found = browser.get(path)
        assert (found.status_code, found.headers["content-type"]) == (status, "application/problem+json"), path
        assert set(found.json()) == {"type", "title", "status", "detail"}


def test_every_parameter_and_field_is_described(anna: TestClient) -> None:
    described = anna.get("/api/openapi.json").json()
    for path, operations in described["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                assert parameter["description"], (path, parameter["name"])
    fields = described["components"]["schemas"]["product"]["properties"]
    assert all(field["description"] for field in fields.values())
    page = anna.get("/api").text
    assert all(f"GET {path}" in page or f"POST {path}" in page for path in described["paths"])


def test_what_the_schema_allows_is_answered_as_it_says(company: People) -> None:
    """Requests made from the schema, sent to the application: no failure, and answers of the described form."""
    import schemathesis

    browser = company.signed_in("olga")
    described = schemathesis.openapi.from_dict(json.loads(json.dumps(schema())))

    for path, operations in schema()["paths"].items():
        for method in operations:
            ask(browser, described[path][method])


def ask(browser: TestClient, operation: Any) -> None:
    @settings(
        max_examples=10, deadline=None, phases=[Phase.generate], derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def check(case: schemathesis.Case) -> None:
        arguments = case.as_transport_kwargs(base_url="https://emma.test")
        arguments.pop("cookies", None)
        answer = browser.request(**arguments)
        case.validate_response(answer, excluded_checks=[])

    check()
