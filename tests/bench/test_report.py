"""The pages say what results.json holds, and nothing else."""

import copy
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.bars import Bar, bars
from bench.processes import ROOT
from bench.report import PAGE, PICTURE, RESULTS, page, picture
from bench.results import (
    BulkRound,
    Idle,
    Machine,
    Measured,
    Results,
    Round,
    Storm,
    read_results,
    write_results,
)


def a_round(speed: float, *, cpu_us: float = 50, wrong: int = 0, busy: float = 1.0) -> Round:
    return Round(speed, {"it": cpu_us}, busy, 0.5, 1.0, 2.0, wrong, 0)


def some_results() -> Results:
    """Doorward carries three times what Go does in one round, twice in the next, four times in the last."""
    ours = Measured(
        "Doorward <ours>",
        "Doorward 1",
        full=[a_round(30_000, cpu_us=20), a_round(20_000), a_round(80_000)],
        paced=[a_round(5000)],
        bulk={"1 MiB down": [BulkRound(1000, 0.4, 0, 0)]},
        idle=Idle(5000, 8000),
    )
    go = Measured(
        "Go",
        "Go 2",
        full=[a_round(10_000), a_round(10_000), a_round(20_000)],
        paced=[a_round(5000)],
        bulk={"1 MiB down": [BulkRound(1000, 0.8, 0, 0)]},
    )
    return Results(
        date="2026-01-02",
        command="make bench",
        machine=Machine(2, "A Processor", 24.0, "Linux 6", "3.11.7", pinned=True, load_before=0.1),
        seconds=600,
        rounds=3,
        window_s=4,
        left_out={"nginx, plain proxy": "no nginx on this machine"},
        peers={"go": go, "doorward-aiohttp-memory": ours},
        half_rate=5000,
        of_half="Go",
        sessions_mb=200,
        storms=[Storm(1000, 0, 20, 20, 205, 1, 230, 260)],
        other_load={},
    )


def bar(results: Results, beginning: str) -> Bar:
    return next(bar for bar in bars(results) if bar.what.startswith(beginning))


class TestBars:
    def test_a_ratio_is_the_median_of_the_rounds(self) -> None:
        found = bar(some_results(), "requests/s against Go, sessions in memory")

        assert found.measured == 3.0
        assert found.is_met is True

    def test_answers_of_forward_auth_are_compared_with_gos(self) -> None:
        results = some_results()
        results.peers["doorward-aiohttp-memory"].forward_auth = [a_round(60_000), a_round(75_000)]
        results.peers["go"].forward_auth = [a_round(30_000), a_round(25_000)]

        assert bar(results, "forward-auth").measured == 2.5
        assert "| Doorward <ours> | 67,500 | 2.50 | 50.0 | 1.00 / 2.00 | 100% |" in page(results)

    def test_what_is_too_much_is_missed(self) -> None:
        found = bar(some_results(), "memory of 100,000 sessions")

        assert (found.measured, found.is_met) == (200, False)

    def test_idle_memory_is_told_for_ten_thousand(self) -> None:
        assert bar(some_results(), "memory of 10,000 idle").measured == 80

    def test_bodies_are_compared_by_cpu(self) -> None:
        found = bar(some_results(), "CPU per GiB against Go, 1 MiB down")

        assert (found.measured, found.is_met) == (0.5, True)

    def test_what_was_not_there_is_neither_met_nor_missed(self) -> None:
        found = bar(some_results(), "CPU against nginx")

        assert (found.measured, found.is_met) == (None, None)

    def test_one_refresh_too_many_is_missed(self) -> None:
        results = some_results()
        results.storms.append(Storm(1000, 0, 20, 21, 205, 1, 230, 260))

        assert bar(results, "refreshes").is_met is False


class TestPage:
    def test_a_row_holds_medians_and_ratios(self) -> None:
        text = page(some_results())

        assert "| Doorward <ours> | 30,000 | - | 3.00 | 50.0 | 1.00 / 2.00 | 100% |" in text

    def test_the_machine_the_command_and_the_date_are_told(self) -> None:
        text = page(some_results())

        assert "Made on 2026-01-02 by `make bench` in 10 minutes, medians of 3 rounds of 4 s" in text
        assert "A Processor, 2 cores, 24 GiB, Linux 6, Python 3.11.7" in text
        assert "Versions: Doorward 1, Go 2." in text

    def test_what_was_left_out_is_named_with_its_reason(self) -> None:
        assert "* nginx, plain proxy: no nginx on this machine" in page(some_results())

    def test_wrong_answers_stand_out(self) -> None:
        results = some_results()
        results.peers["go"].full[0].wrong = 7

        assert "**7 wrong answers**" in page(results)

    def test_a_core_that_was_not_busy_is_told(self) -> None:
        results = some_results()
        for one in results.peers["go"].full:
            one.busy = 0.6

        assert "60% (not at its limit)" in page(results)

    def test_a_rate_that_was_not_carried_has_no_latency(self) -> None:
        results = some_results()
        results.peers["go"].paced = [a_round(3000)]

        assert "| Go | carries 3,000/s at most | - |" in page(results)

    def test_figures_that_are_not_there_leave_no_heading(self) -> None:
        results = some_results()
        results.half_rate, results.storms = None, []
        for measured in results.peers.values():
            measured.bulk = {}

        headings = [line for line in page(results).splitlines() if line.startswith("## ")]
        assert headings == ["## Requests per second", "## The bars", "## Memory"]


class TestPicture:
    def test_it_is_well_formed_and_longest_first(self) -> None:
        drawing = ET.fromstring(picture(some_results()))

        bars_drawn = drawing.findall("{http://www.w3.org/2000/svg}rect")
        widths = [float(one.get("width", "0")) for one in bars_drawn]
        assert [one.get("class") for one in bars_drawn] == ["ours", "other"]
        assert widths[0] == pytest.approx(widths[1] * 3, rel=0.01)

    def test_labels_are_escaped(self) -> None:
        assert "Doorward &lt;ours&gt;" in picture(some_results())


def test_results_come_back_as_they_were_written(tmp_path: Path) -> None:
    results = some_results()

    write_results(copy.deepcopy(results), tmp_path / "results.json")

    assert read_results(tmp_path / "results.json") == results


def test_the_published_pages_are_those_of_the_published_results() -> None:
    results = read_results(RESULTS)

    assert PAGE.read_text(encoding="utf-8") == page(results)
    assert PICTURE.read_text(encoding="utf-8") == picture(results)


def test_the_lock_file_names_hashes_and_no_hosts() -> None:
    text = (ROOT / "requirements" / "bench.txt").read_text(encoding="utf-8")

    assert "--hash=sha256:" in text
    assert "://" not in text
