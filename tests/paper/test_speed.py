"""What benchmarks have measured, as tables of the paper."""

import json

import pytest

from stackstudy.paper.collect import collect
from stackstudy.paper.speed import claims, stages, whole_site
from stackstudy.paper.values import Chapters

RESULTS = {
    "machine": {"float32_gflops": 200.0},
    "ingestion": {"ours_seconds": 30.0, "questions": 600_000, "table_bytes": 600_000_000},
    "embedding": {"ours_seconds": 40.0, "bodies": 2000, "tokens": 100.0, "operations": 2e9},
    "dsf_crossattn_training": {"rows_per_second": 1000.0, "operations": 1e8},
    "million_questions": {"questions": 1_000_000, "labels": 100, "evaluation_seconds": 60.0},
}


def test_the_whole_site_costs_what_its_rates_say():
    ingestion, small, large, training, evaluation = stages(RESULTS)
    assert ingestion.hours == pytest.approx(24e6 / 20_000 / 3600)
    assert ingestion.written == pytest.approx(24e9)
    assert (small.hours, small.written) == pytest.approx((24e6 / 50 / 3600, 24e6 * 384 * 2))
    assert small.gpu_hours == pytest.approx(24e6 * 2e9 / (0.3 * 312e12) / 3600)
    assert large.hours / large.gpu_hours == pytest.approx(0.3 * 312e12 / 200e9)
    assert training.hours == pytest.approx(24e6 / 1000 / 3600)
    assert (evaluation.hours, evaluation.gpu_hours) == (pytest.approx(0.4), None)
    lines = whole_site(RESULTS).splitlines()
    assert len(lines) == 7
    assert lines[2] == "| ingestion of the dump | .333 | – | 24.0 | `--rows` |".replace(".333", ".33")


def test_a_large_encoder_embeds_at_the_rate_of_bfloat16_where_the_machine_has_it():
    single, half = ({**RESULTS, "machine": RESULTS["machine"] | more} for more in ({}, {"bfloat16_gflops": 400.0}))
    assert stages(half)[2].hours == pytest.approx(stages(single)[2].hours / 2)


def test_claims_show_what_was_not_measured_and_not_met():
    result = {
        "place": 1,
        "workload": "k-means",
        "target": "10x",
        "met": False,
        "ours_seconds": 15.4,
        "usual_seconds": None,
    }
    result |= {"ratio": None, "of_limit": 0.176, "peak_memory_mb": 1629.0}
    table = claims({"machine": {}, "kmeans": result, "training": {**result, "place": 0, "workload": "training"}})
    assert table.splitlines()[2].startswith("| training |")
    assert table.splitlines()[3] == "| k\\-means | 15.4 | – | – | .18 | 1,629 | 10x | no |"


def test_chapters_show_them_where_there_are_any(project):
    project.run("01-a", {"data": {"rows": 12}})
    collect("toy")
    shown = "{{ speed.claims(benchmarks) }}\n\n![Speed.]({{ speed_figure() }})"
    text = f"{{% if benchmarks %}}{shown}{{% else %}}none{{% endif %}}\n"
    chapter = project.chapter("01-one.md", text)
    assert Chapters("toy").render(chapter) == "none"
    folder = project.root / "results" / "benchmarks"
    folder.mkdir()
    (folder / "benchmarks.json").write_text(json.dumps({"machine": RESULTS["machine"]}))
    with pytest.raises(ValueError, match=r"no figure speed.png and speed.svg"):
        Chapters("toy").render(chapter)
    for name in ("speed.png", "speed.svg"):
        (folder / name).write_text("")
    chapters = Chapters("toy")
    assert '![Speed.](results/benchmarks/speed "make bench")' in chapters.render(chapter)
    assert [path.name for path in chapters.figures["speed"]] == ["speed.png", "speed.svg"]
