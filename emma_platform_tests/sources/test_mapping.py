"""sources.yaml, headers and the kind of a file."""

from datetime import date

import pytest

from emma_platform.sources.files import FileSource
from emma_platform.sources.protocol import SourceError
from emma_platform_tests.sources.conftest import HEADER, ROW, Desk

RETAIL = """
- pattern: "uk/**/*.csv"
  table: sales
  columns: {receipt: InvoiceNo, product: StockCode, sold_at: InvoiceDate, unit_price: Unit Price, store: Country}
  date_format: "%m/%d/%Y %H.%M"
  constants: {currency: GBP}
  time_zone: Europe/London
- pattern: "*.csv"
  table: products
"""


def test_columns_constants_and_options_of_the_first_entry_that_matches(desk: Desk):
    desk.map(RETAIL)
    text = "InvoiceNo,StockCode,Quantity,InvoiceDate,unit_price,Country\n536365,85123A,6,12/01/2010 08.26,2.55,EIRE\n"
    row = desk.read("uk/2010/a.csv", text).rows.to_pylist()[0]
    assert (row["store"], row["receipt"], row["product"]) == ("EIRE", "536365", "85123A")
    assert (row["day"], row["currency"], row["sold_at"]) == (date(2010, 12, 1), "GBP", "12/01/2010 08.26")
    assert desk.read("uk/b.csv", text).lines == 1
    assert desk.read("b.csv", "product,name\nP,x\n").input == "products"


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "a/b.csv", True),
        ("*.csv", "a.CSV", False),
        ("a/*.csv", "b/a/c.csv", False),
        ("**/c.csv", "c.csv", True),
        ("**/c.csv", "a/b/c.csv", True),
        ("**/c.csv", "a/xc.csv", False),
        ("a/**", "a/b/c.csv", True),
        ("S00[1-3]-?.csv", "S002-x.csv", True),
        ("S00[!1-3].csv", "S002.csv", False),
        ("a+b(1).csv", "a+b(1).csv", True),
        ("a[.csv", "a[.csv", True),
    ],
)
def test_patterns(desk: Desk, pattern: str, name: str, matches: bool):
    desk.map(f'- pattern: "{pattern}"\n  table: sales\n  constants: {{currency: EUR}}\n')
    assert (desk.read(name, HEADER + ROW).rows["currency"][0].as_py() == "EUR") is matches


@pytest.mark.parametrize(
    "header",
    ["Store,RECEIPT,Sold At,product,Quantity,unit-price", "STORE,receipt,SoldAt, product ,quantity,Unit_Price"],
)
def test_case_spaces_underscores_and_hyphens_do_not_matter(desk: Desk, header: str):
    assert desk.read("a.csv", header + "\n" + ROW).rows["unit_price"].to_pylist() == ["1.99"]


def test_the_order_of_columns_does_not_matter_and_others_are_left_out(desk: Desk):
    text = "x,unit_price,quantity,product,sold_at,receipt,store,line,,\n?,1,2,P,2026-11-22,R,S,7,,\n"
    row = desk.read("a.csv", text).rows.to_pylist()[0]
    assert (row["unit_price"], row["store"], row["receipt_line"]) == ("1", "S", "7")


@pytest.mark.parametrize("again", ["store", "Store", "STORE "])
def test_a_column_that_stands_twice_is_an_error(desk: Desk, again: str):
    with pytest.raises(SourceError, match=r"a\.csv: the header has .* twice"):
        desk.deliveries("a.csv", HEADER.strip() + f",{again}\n" + ROW)


def test_a_missing_column_is_an_error_that_says_what_to_write(desk: Desk):
    with pytest.raises(SourceError) as raised:
        desk.deliveries("x/a.csv", "store,Bon,sold_at,product,Menge,unit_price\n" + ROW)
    for words in ("receipt, quantity", "store, Bon, sold_at", '- pattern: "x/a.csv"', "{receipt: ?, quantity: ?}"):
        assert words in str(raised.value)


def test_what_the_error_says_to_write_is_a_valid_entry(desk: Desk):
    text = "store,Bon,sold_at,product,Menge,unit_price\n" + ROW
    with pytest.raises(SourceError) as raised:
        desk.deliveries("x/a.csv", text)
    lines = str(raised.value).splitlines()[1:4]
    desk.map("\n".join(lines).replace("receipt: ?", "receipt: Bon").replace("quantity: ?", "quantity: Menge"))
    assert desk.read("x/a.csv", text).rows["receipt"].to_pylist() == ["R1"]


def test_a_wrong_delimiter_is_an_error_that_says_so(desk: Desk):
    desk.map('- pattern: "*"\n  table: sales\n  delimiter: ";"\n')
    with pytest.raises(SourceError, match=r"glued together"):
        desk.deliveries("a.csv", HEADER + ROW)


@pytest.mark.parametrize(
    ("name", "header", "kind"),
    [
        ("a.csv", HEADER, "sales"),
        ("stores/S1/a.csv", HEADER, "sales"),
        ("Products_2026.csv", "product,x", "products"),
        ("stock/S1/a.csv", "store,day,product,on_hand", "stock"),
        ("calendar-de.csv", "day,event", "calendar"),
        ("a.csv", "product,unit_cost", "products"),
        ("a.csv", "store,time_zone", "stores"),
        ("a.csv", "store,day,product,on_hand", "stock"),
        ("a.csv", "product,first_day,last_day,store", "promotions"),
        ("a.csv", "product,first_day,price", "price_plan"),
        ("a.csv", "day,event,store", "calendar"),
    ],
)
def test_the_kind_is_guessed_from_the_path_and_the_header(desk: Desk, name: str, header: str, kind: str):
    assert desk.read(name, header.strip() + "\n").input == kind


def test_sales_without_a_column_are_not_taken_for_products(desk: Desk):
    with pytest.raises(SourceError, match="sales column receipt"):
        desk.deliveries("a.csv", "store,sold_at,product,quantity,unit_price\n")
    with pytest.raises(SourceError, match="sales columns"):
        desk.deliveries("b.csv", "product,umsatz\n")


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("pattern: x", "must be a list"),
        ("- x", "entry 1 must be a mapping"),
        ("- {table: sales}", "entry 1: no pattern"),
        ("- {pattern: a, table: sales}\n- {pattern: b, tabel: sales}", r"entry 2 \(pattern 'b'\): unknown key tabel"),
        ("- {pattern: a}", "table is None"),
        ("- {pattern: a, table: sale}", "one of sales, products"),
        ("- {pattern: [a], table: sales}", "pattern must be text"),
        ("- {pattern: a, table: sales, columns: [x]}", "columns must map"),
        ("- {pattern: a, table: sales, columns: {store: [x]}}", "columns must map"),
        ("- {pattern: a, table: sales, columns: {shop: x}}", "names shop. The columns of sales are store"),
        ("- {pattern: a, table: sales, columns: {store: x}, constants: {store: y}}", "in columns and in constants"),
        ("- {pattern: a, table: sales, decimal_mark: ';'}", "decimal_mark"),
        ("- {pattern: a, table: sales, delimiter: ';;'}", "delimiter"),
        ("- {pattern: a, table: sales, time_zone: Mars/Olympus}", "time_zone 'Mars/Olympus' is unknown"),
        ("- {pattern: a, table: sales, date_format: dd.mm.yyyy}", "strptime"),
        ("- {pattern: a, table: sales, encoding: klingon}", "encoding 'klingon' is unknown"),
        ("- {pattern: a, table: sales, encoding: base64}", "encoding 'base64' is unknown"),
        ("- {pattern: a, table: sales, sheet: {a: b}}", "sheet must be text"),
        ("- {pattern: 'a, table: sales}", "no valid YAML"),
    ],
)
def test_a_sources_yaml_that_is_wrong_is_an_error_that_names_entry_and_remedy(desk: Desk, yaml: str, words: str):
    desk.map(yaml)
    for use in (lambda: desk.deliveries("z.csv", HEADER), lambda: desk.source().description("z.csv")):
        with pytest.raises(SourceError, match=words) as raised:
            use()
        assert "sources.yaml" in str(raised.value)


def test_no_entries_and_texts_that_look_like_numbers(desk: Desk):
    for empty in ("", "# nothing\n", "[]"):
        desk.map(empty)
        assert desk.read("a.csv", HEADER + ROW).lines == 1
    desk.map('- {pattern: "*", table: sales, constants: {store: 001}, delimiter: tab}')
    text = (HEADER + ROW).replace("store,", "").replace("S1,", "").replace(",", "\t")
    assert desk.read("a.csv", text).rows["store"].to_pylist() == ["001"]


def description(desk: Desk, name: str = "a.csv", **options: object) -> str:
    source: FileSource = desk.source(**options)
    return source.description(name)


def test_the_description_follows_what_decides_how_a_file_is_read(desk: Desk):
    without = description(desk)
    assert without == description(desk, "b/c.csv")
    desk.map("- {pattern: a.csv, table: sales}")
    plain = description(desk)
    assert plain != without
    assert description(desk, "b.csv") == without
    desk.map("- {pattern: z, table: sales}\n- {pattern: '[a].csv', table: sales}")
    assert description(desk) == plain
    desk.map("- {pattern: a.csv, table: sales, decimal_mark: ','}")
    assert description(desk) not in (plain, without)
    assert description(desk, "b.csv", first_day=date(2010, 1, 1)) != without


def test_a_changed_sources_yaml_is_seen_without_a_new_source(desk: Desk):
    source = desk.source()
    before = source.description("a.csv")
    desk.map("- {pattern: a.csv, table: sales}")
    changed = source.description("a.csv")
    (desk.home / "sources.yaml").unlink()
    assert before != changed
    assert source.description("a.csv") == before
