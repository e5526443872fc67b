from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.reference import SymbolEntry
from services.contracts.terms import Market, Symbol, Venue
from services.market.errors import SymbolMapError
from services.market.files import LISTING_FILE, PILOT_FILE, SYMBOL_MAP_FILE, load_listing, load_symbol_map
from services.market.symbols import (
    feed_code,
    import_pilot,
    parse_feed_code,
    parse_listing,
    parse_symbol_map,
    write_symbol_map,
)

GROUPS = ("g1", "g2")
HEADER = "KRX_code,NXT_code,name,market,group,enabled"
GOOD = "005930,005930_NX,Samsung Electronics,KOSPI,g1,true"

codes = st.from_regex(r"[0-9][0-9A-Z]{5}", fullmatch=True).map(Symbol)
names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20) | st.just('A "B", C')
entries = st.lists(
    st.builds(
        lambda code, name, market, group, enabled: SymbolEntry(
            krx_code=code, nxt_code=code + "_NX", name=name, market=market, group=group, enabled=enabled
        ),
        codes,
        names,
        st.sampled_from(Market),
        st.sampled_from(GROUPS),
        st.booleans(),
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda entry: entry.krx_code,
)


def problems_of(*lines: str) -> list[tuple[str, str, str]]:
    with pytest.raises(SymbolMapError) as caught:
        parse_symbol_map("\n".join(lines) + "\n", "map.csv", GROUPS)
    assert all(problem.file == "map.csv" for problem in caught.value.problems)
    assert all(str(problem) in str(caught.value) for problem in caught.value.problems)
    return [(problem.where, problem.what, problem.mend) for problem in caught.value.problems]


class TestShippedFiles:
    def test_the_map_is_what_the_import_makes_of_the_pilot_list(self, config_dir: Path) -> None:
        pilot = (config_dir / PILOT_FILE).read_text(encoding="utf-8")
        made = import_pilot(pilot, load_listing(config_dir), GROUPS)
        assert (config_dir / SYMBOL_MAP_FILE).read_text(encoding="utf-8") == made

    def test_fifty_shares_in_two_even_groups(self, config_dir: Path) -> None:
        entries = load_symbol_map(config_dir, GROUPS)
        assert len(entries) == 50
        assert [entry.group for entry in entries] == ["g1", "g2"] * 25
        assert all(entry.enabled and entry.market is Market.KOSPI for entry in entries)
        assert entries[0] == SymbolEntry(
            krx_code=Symbol("005930"),
            nxt_code="005930_NX",
            name="Samsung Electronics",
            market=Market.KOSPI,
            group="g1",
            enabled=True,
        )

    def test_the_listing_has_every_share_with_a_price(self, config_dir: Path) -> None:
        listing = load_listing(config_dir)
        assert {share.code for share in listing} == {e.krx_code for e in load_symbol_map(config_dir, GROUPS)}
        assert listing[0].name_kr == "삼성전자"
        assert listing[0].base_price_krw == 199_400


class TestParse:
    @given(entries)
    def test_what_is_written_is_read_back(self, entries: list[SymbolEntry]) -> None:
        assert parse_symbol_map(write_symbol_map(entries), "map.csv", GROUPS) == tuple(entries)

    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    def test_a_spreadsheets_habits_are_taken(self, newline: str) -> None:
        text = newline.join(["\ufeff" + HEADER, GOOD.replace(",", " , "), "", ",,,,,"])
        (entry,) = parse_symbol_map(text, "map.csv", GROUPS)
        assert (entry.krx_code, entry.name) == ("005930", "Samsung Electronics")

    def test_columns_may_stand_in_any_order(self) -> None:
        text = "enabled,group,market,name,NXT_code,KRX_code\nfalse,g2,KOSDAQ,X,0126Z0_NX,0126Z0\n"
        (entry,) = parse_symbol_map(text, "map.csv", GROUPS)
        assert (entry.krx_code, entry.market, entry.group, entry.enabled) == (
            "0126Z0",
            Market.KOSDAQ,
            "g2",
            False,
        )

    @pytest.mark.parametrize(
        ("line", "what", "mend"),
        [
            ("5930,5930_NX,S,KOSPI,g1,true", "KRX_code '5930' is not a share's code", "write 005930"),
            ("A05930,A05930_NX,S,KOSPI,g1,true", "'A05930' is not a share's code", "six characters"),
            ("005930,000660_NX,S,KOSPI,g1,true", "does not belong to this KRX_code", "write 005930_NX"),
            ("005930,005930_NX,S,NASDAQ,g1,true", "market 'NASDAQ' is unknown", "KOSPI, KOSDAQ"),
            ("005930,005930_NX,S,KOSPI,g3,true", "group 'g3' is unknown", "g1, g2"),
            ("005930,005930_NX,S,KOSPI,g1,TRUE", "enabled 'TRUE' is not a yes or no", "true or false"),
            ("005930,005930_NX,,KOSPI,g1,true", "name is empty", "write the share's name"),
            ("005930,005930_NX,S&P, Inc,KOSPI,g1,true", "7 fields where the header has 6", "quote a value"),
            ("005930,005930_NX,S,KOSPI,g1", "5 fields where the header has 6", "every column"),
        ],
    )
    def test_a_bad_line(self, line: str, what: str, mend: str) -> None:
        ((where, found_what, found_mend),) = problems_of(HEADER, line)
        assert where == "line 2"
        assert what in found_what
        assert mend in found_mend

    @pytest.mark.parametrize(
        ("header", "whats"),
        [
            ("KRX_code,NXT_code,name,market,group", ["column 'enabled' is missing"]),
            (HEADER + ",note", ["column 'note' is unknown"]),
            (HEADER + ",name", ["column 'name' is given twice"]),
            (HEADER.lower(), ["'KRX_code' is missing", "'NXT_code'", "'krx_code' is unknown", "'nxt_code'"]),
        ],
    )  # fmt: skip
    def test_a_bad_header(self, header: str, whats: list[str]) -> None:
        found = problems_of(header, GOOD)
        assert [where for where, _, _ in found] == ["line 1"] * len(whats)
        assert all(what in found_what for what, (_, found_what, _) in zip(whats, found, strict=True))

    def test_duplicates_name_both_lines(self) -> None:
        found = problems_of(HEADER, GOOD, "000660,000660_NX,SK hynix,KOSPI,g2,true", GOOD)
        assert [(where, what) for where, what, _ in found] == [
            ("line 4", "KRX_code '005930' is already on line 2"),
            ("line 4", "NXT_code '005930_NX' is already on line 2"),
        ]

    def test_all_problems_are_listed_at_once(self) -> None:
        found = problems_of(
            HEADER, "5930,005930_NX,S,KOSPI,g9,yes", GOOD, "000660,000660_NX,SK,KOSPI,g1,false,more"
        )
        assert [(where, what) for where, what, _ in found] == [
            ("line 4", "7 fields where the header has 6"),
            ("line 2", "KRX_code '5930' is not a share's code"),
            ("line 2", "group 'g9' is unknown"),
            ("line 2", "enabled 'yes' is not a yes or no"),
            ("line 3", "NXT_code '005930_NX' is already on line 2"),
        ]

    @pytest.mark.parametrize("text", ["", HEADER, HEADER + "\n\n"])
    def test_a_map_without_a_share_is_refused(self, text: str) -> None:
        assert problems_of(text)

    @pytest.mark.parametrize("name", ['"S', '"S" & P', "S" * 200_000])
    def test_broken_quoting_is_named_with_its_line(self, name: str) -> None:
        found = problems_of(HEADER, GOOD, f"000660,000660_NX,{name},KOSPI,g1,true")
        assert found[0][0] == "line 3"
        assert "is not proper CSV" in found[0][1]

    @given(st.text(max_size=200))
    def test_any_text_is_taken_or_refused(self, text: str) -> None:
        for content in (text, f"{HEADER}\n{text}"):
            try:
                found = parse_symbol_map(content, "map.csv", GROUPS)
            except SymbolMapError as error:
                assert error.problems
            else:
                assert len({entry.krx_code for entry in found}) == len(found) > 0


class TestListing:
    HEADER = "code,name_en,name_kr,market,base_price_krw"

    @pytest.mark.parametrize("price", ["0", "-1", "199400.5", "", "1e5"])
    def test_a_price_is_whole_won(self, price: str) -> None:
        with pytest.raises(SymbolMapError, match=r"listing\.csv, line 2: base_price_krw"):
            parse_listing(f"{self.HEADER}\n005930,S,삼성전자,KOSPI,{price}\n", LISTING_FILE)

    def test_a_share_is_listed_once(self) -> None:
        row = "005930,S,삼성전자,KOSPI,199400"
        with pytest.raises(SymbolMapError, match="line 3: code '005930' is already on line 2"):
            parse_listing(f"{self.HEADER}\n{row}\n{row}\n", LISTING_FILE)


class TestImport:
    def test_an_unknown_ticker_is_named_with_its_line(self, config_dir: Path) -> None:
        pilot = "index,ticker\n1,005930\n2,999999\n3,660\n4,005930\n"
        with pytest.raises(SymbolMapError) as caught:
            import_pilot(pilot, load_listing(config_dir), GROUPS)
        assert [(p.file, p.where, p.what) for p in caught.value.problems] == [
            (PILOT_FILE, "line 3", "ticker '999999' is not in the listing"),
            (PILOT_FILE, "line 4", "ticker '660' is not a share's code"),
            (PILOT_FILE, "line 5", "ticker '005930' is already on line 2"),
        ]
        assert "write 000660" in caught.value.problems[1].mend

    def test_no_group_is_refused(self, config_dir: Path) -> None:
        with pytest.raises(SymbolMapError, match="no group to deal the shares to"):
            import_pilot("index,ticker\n1,005930\n", load_listing(config_dir), ())


class TestFeedCodes:
    @given(codes, st.sampled_from(Venue))
    def test_codes_invert(self, code: Symbol, venue: Venue) -> None:
        assert parse_feed_code(feed_code(code, venue)) == (code, venue)

    @pytest.mark.parametrize("text", ["005930_AL", "_NX", "", "5930", "005930_NX_NX", "00593０"])
    def test_other_text_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not a share's code"):
            parse_feed_code(text)
