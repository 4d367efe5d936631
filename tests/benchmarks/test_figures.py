"""Tables of figures: nothing that is missed may look as if it held."""

from __future__ import annotations

from benchmarks.figures import Figure, percentile, spread, table


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 50) == 51
    assert percentile(values, 95) == 96
    assert percentile(values, 100) == 100
    assert percentile([3.0], 99) == 3.0


def test_durations_are_shown_in_milliseconds_with_their_bounds() -> None:
    figures = spread("POST", [0.010, 0.020, 0.300], p50=50, p99=250)
    assert figures["POST, p50 ms"] == Figure(20, 50)
    assert figures["POST, p99 ms"].value == 300
    assert not figures["POST, p99 ms"].holds
    assert figures["POST, max ms"].holds


def test_a_bound_is_missed_when_it_is_missed_in_one_column() -> None:
    text = table(
        {"SQLite": {"p50 ms": Figure(10, 20)}, "PostgreSQL": {"p50 ms": Figure(30, 20), "only here": Figure(1)}}
    )
    lines = text.splitlines()
    assert lines[2] == "| p50 ms | 10 | 30 | 20 | **missed** |"
    assert lines[3] == "| only here |  | 1 |  |  |"
    assert {line.count("|") for line in lines} == {6}


def test_a_bound_that_is_met_everywhere_holds() -> None:
    assert table({"SQLite": {"refused": Figure(0, 0)}}).splitlines()[2] == "| refused | 0 | 0 | holds |"
