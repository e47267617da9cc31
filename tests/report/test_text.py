import pytest

from zkrun.report.text import count, duration, listing, percent, rate, safe, size


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (999.6, "1.00 µs"),
        (1000, "1.00 µs"),
        (12_345, "12.3 µs"),
        (999_999, "1.00 ms"),
        (52_100_000, "52.1 ms"),
        (1_520_000_000, "1.52 s"),
        (59_900_000_000, "59.9 s"),
        (245_000_000_000, "4 min 05 s"),
        (3_725_000_000_000, "1 h 2 min 05 s"),
    ],
)
def test_durations_have_three_digits(nanoseconds: float, text: str) -> None:
    assert duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 B"), (1000, "1000 B"), (1024, "1.00 KiB"), (8 << 30, "8.00 GiB")],
)
def test_sizes_are_in_binary_units(nbytes: int, text: str) -> None:
    assert size(nbytes) == text


def test_shares_that_round_to_nothing_are_still_something() -> None:
    assert [percent(share) for share in (0, 0.0004, 0.004, 0.0994, 0.1, 1)] == [
        "0.0 %",
        "<0.1 %",
        "0.4 %",
        "9.9 %",
        "10 %",
        "100 %",
    ]


def test_rates_are_decimal() -> None:
    assert rate(25_300_000, "mul") == "25.3 Mmul/s"
    assert rate(9.81e9, "B") == "9.81 GB/s"
    assert rate(0.5, "B") == "0.50 B/s"


def test_counts_and_listings() -> None:
    assert count(1, "error") == "1 error"
    assert count(2000, "entry", "entries") == "2,000 entries"
    assert listing("abc", 2) == "a, b and 1 more"
    assert listing("abc") == "a, b, c"


@pytest.mark.parametrize(
    "harmful",
    ["\x1b[31m", "\x00", "\r\n", "\x9b", "\u202e", "\u2028", "\ud800", "\u200b", "\x7f"],
)
def test_no_control_character_survives(harmful: str) -> None:
    shown = safe(f"a{harmful}b")
    assert shown.isprintable()
    assert shown.startswith("a\\")


def test_honest_names_stay_as_they_are() -> None:
    assert safe("Γραφή 表 [bold]x[/bold] é") == "Γραφή 表 [bold]x[/bold] é"


def test_long_names_are_cut() -> None:
    assert safe("x" * 300) == "x" * 199 + "…"
