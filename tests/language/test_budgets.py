"""Budgets: what they say exactly, and that each is found where it is broken, at its bound, and nowhere else."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from resnet_gen.build.build import build, onnx_size
from resnet_gen.build.request import Request
from resnet_gen.graph.counts import COUNTS, count
from resnet_gen.language.budgets import Budgets, CountBudget, LatencyBudget, SizeBudget
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.problems import Refused, shorten
from resnet_gen.project.project_file import read_project
from resnet_gen.speed.prediction import predict
from resnet_gen.speed.targets import load_target
from resnet_gen.verify.rules import budget
from resnet_gen.verify.rules.budget import ProjectBudgetKept
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.onnx_runs import TINY, network
from tests.helpers.verification import verify


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (25557032, 25557032), ("25557032", 25557032), ("25.6M", 25600000), ("4.1e9", 4100000000), (4.1e9, 4100000000),
        (0, 0), ("1.5K", 1500), ("2G", 2000000000), ("0.000001M", 1), (1e3, 1000),
        ("2555703200000", 2555703200000),
    ],
)  # fmt: skip
def test_a_figure_is_taken_for_exactly_what_it_says(written, meant):
    assert CountBudget.model_validate({"max": written}).bounds == (None, meant)
    assert CountBudget.model_validate({"min": written}).bounds == (meant, None)


@pytest.mark.parametrize(
    "written", [-1, "-1", "25,6M", "1.5", 1.5, "0.0001K", "M", "25 M", "25MB", True, None, [], "1e"]
)
def test_what_is_no_whole_number_is_refused(written):
    with pytest.raises(ValidationError):
        CountBudget.model_validate({"max": written})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (100, 100), ("100 B", 100), ("100B", 100), ("1 KB", 1000), ("1 KiB", 1024), ("97.5 MB", 97500000),
        ("0.5 GiB", 1 << 29), ("1TiB", 1 << 40), ("2 TB", 2 * 10**12), (1e6, 1000000),
    ],
)  # fmt: skip
def test_a_size_is_taken_for_exactly_what_it_says(written, meant):
    assert SizeBudget.model_validate({"max": written}).max == meant


@pytest.mark.parametrize("written", ["100", "100M", "100 mb", "0.1 B", "0.0001 KB", "1.0001 KiB", "MB", -1, 0.5, True])
def test_what_is_no_size_is_refused(written):
    with pytest.raises(ValidationError):
        SizeBudget.model_validate({"max": written})


def test_every_count_can_have_a_budget_and_nothing_else_but_latency_size_and_accuracy():
    assert set(Budgets.model_fields) == {*COUNTS, "latency", "onnx_size", "accuracy"}
    assert LatencyBudget.model_fields["batch"].default == 1


SPEC = """\
name: net
input: {channels: 3, size: 16}
stem: {kind: conv3x3, width: 8}
stages: {depths: [1, 1], widths: [8, 16], block: basic}
head: {kind: linear, classes: 10}
budgets:
"""


@pytest.fixture
def spec(tmp_path, monkeypatch):
    """Writes a small spec with budgets, in the working folder, and returns its path."""
    monkeypatch.chdir(tmp_path)

    def write(*budgets):
        path = Path("net.yaml")
        path.write_text(SPEC + "".join(f"  {line}\n" for line in budgets))
        return path

    return write


def found(spec, *settings):
    loaded = load(str(spec), settings)
    return verify(loaded, lower(loaded))


def underlined(problem):
    span = problem.where
    return span.document.line(span.line)[span.column : span.end]


FIGURES = count(network(str(TINY))).as_dict()


@pytest.mark.parametrize("name", COUNTS)
def test_each_count_is_held_to_both_its_bounds(name, spec):
    path = spec("params: {max: 1G}")
    exact = count(lower(load(str(path)))).as_dict()[name]
    assert found(spec(f"{name}: {{min: {exact}, max: {exact}}}")) == []
    (over,) = found(spec(f"{name}: {{max: {exact - 1}}}"))
    (under,) = found(spec(f"{name}: {{min: {exact + 1}}}"))
    assert (over.rule, underlined(over)) == ("budget", str(exact - 1))
    assert over.message.startswith(f"{name}: {exact:,}, over the budget of {exact - 1:,} by 1 (")
    assert under.message.startswith(f"{name}: {exact:,}, under the budget of {exact + 1:,} by 1 (")


@pytest.mark.parametrize(
    ("bound", "by"),
    [
        ("max: 5000", "266 (5.32%)"),
        ("max: 1", "5,265 (526,500%)"),
        ("max: 0", "5,266"),
        ("min: 1e12", "999,999,994,734 (100%)"),
    ],
)
def test_a_finding_says_by_how_much(spec, bound, by):
    (problem,) = found(spec(f"params: {{{bound}}}"))
    assert problem.message.endswith(f" by {by}")


def test_a_budget_is_not_inherited_and_a_setting_can_give_one(spec):
    spec("params: {max: 1}")
    Path("child.yaml").write_text("name: child\nextends: net.yaml\n")
    assert found("child.yaml") == []
    (problem,) = found("child.yaml", "budgets.layers.max=2")
    assert str(problem.where) == "--set:1:20"


def test_a_budget_changes_neither_what_is_built_nor_its_digest(spec, tmp_path):
    path = spec("params: {max: 1}")
    with_budget = load(str(path))
    Path("net.yaml").write_text(SPEC.replace("budgets:\n", ""))
    without = load(str(path))
    assert with_budget.resolved()["budgets"]["params"] == {"max": 1}
    assert with_budget.digest() == without.digest()
    files = [build(loaded, Request(), tmp_path / str(i)) for i, loaded in enumerate((with_budget, without))]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


LATENCY = "latency: {target: l4, precision: fp16, batch: 8, max: MAX}"


def milliseconds(path):
    return 1e3 * predict(lower(load(str(path))), load_target("l4"), "fp16", 8).seconds


def test_a_latency_is_the_predicted_one(spec):
    exact = milliseconds(spec("params: {max: 1G}"))
    assert found(spec(LATENCY.replace("MAX", repr(exact)))) == []
    (problem,) = found(spec(LATENCY.replace("MAX", repr(exact / 2))))
    half = f"{exact / 2:.3f} ms"
    words = f"latency on l4 (fp16, batch 8): {exact:.3f} ms, over the budget of {half} by {half} (100%)"
    assert problem.message == words
    assert underlined(problem) == repr(exact / 2)


def test_budgets_of_several_devices_stand_in_a_list(spec):
    lines = ["latency:", "  - {target: l4, max: 100}", "  - {target: t4, max: 0.001}", "  - {target: a100, min: 7.0}"]
    assert [underlined(problem) for problem in found(spec(*lines))] == ["0.001", "7.0"]


DEVICE = (Path(__file__).parents[2] / "specs" / "targets" / "t4.yaml").read_text()


def test_a_device_of_one_s_own_lies_by_its_path_from_the_file_that_names_it(tmp_path, monkeypatch, spec):
    folder = tmp_path / "deeper"
    (folder / "boards").mkdir(parents=True)
    (folder / "boards" / "mine.yaml").write_text(DEVICE.replace("name: t4", "name: mine"))
    (folder / "net.yaml").write_text(SPEC + "  latency: {target: boards/mine.yaml, max: 0.001}\n")
    (problem,) = found("deeper/net.yaml")
    assert problem.message.startswith("latency on boards/mine.yaml (fp16, batch 1): 0.")


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("{target: l5, max: 1}", "net.yaml:7:21: error: there is no target 'l5'"),
        ("{target: t4, precision: fp8, max: 1}", "net.yaml:7:21: error: t4 does not run fp8: "),
        ("{target: none.yaml, max: 1}", "net.yaml:7:21: error: none.yaml: there is no such file"),
        ("{target: cpu, precision: fp32, max: 1}", "net.yaml:7:21: error: no peak of fp32 is known for cpu"),
        ("{target: ../t4, max: 1}", "net.yaml:7:21: error: there is no target '../t4'"),
    ],
)
def test_a_latency_that_nobody_can_predict_is_refused_where_it_is_asked_for(spec, budget, message):
    with pytest.raises(Refused) as refused:
        found(spec(f"latency: {budget}"))
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("name", ["fast", "devs/fast", "./fast", "../fast", "fast.json", "fast.YAML", "{folder}/fast"])
@pytest.mark.parametrize("inside", ["", "secret: hunter2\n"])
def test_a_device_of_a_budget_is_a_shipped_one_or_a_yaml_file(tmp_path, monkeypatch, spec, name, inside):
    """Reviews compare no other files, so no verdict depends on one, and nothing of it is shown."""
    name = name.format(folder=tmp_path)
    path = spec(f"latency: {{target: {name}, max: 1}}")
    file = Path(path).parent / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(inside or DEVICE)
    with pytest.raises(Refused) as refused:
        found(path)
    assert f"there is no target '{shorten(name)}'\n" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("name", [str(TINY), "cifar-resnet20", "resnetv2_50x1_bit"])
def test_the_size_is_that_of_the_file_that_is_built(name, precision, tmp_path):
    loaded = load(name, ["input.size=64"] if name == "resnetv2_50x1_bit" else [])
    model = build(loaded, Request(precision=precision), tmp_path)[0]
    assert onnx_size(loaded, precision) == model.stat().st_size


def test_the_size_holds_what_lies_beside_the_model_too():
    graph = network("cifar-resnet20")
    file = OnnxFile(graph, SeededWeights(graph), WriterOptions(external_above=10_000))
    assert file.needs_external_data
    written = [b"".join(chunks) for chunks in (file.chunks("net.onnx.data"), file.external_chunks())]
    assert file.size("net.onnx.data") == sum(map(len, written))
    assert file.size("n.data") < file.size("net.onnx.data")


def test_a_size_is_held_to_its_bounds(spec):
    path = spec("params: {max: 1G}")
    exact = onnx_size(load(str(path)), "fp16")
    assert found(spec(f"onnx_size: {{precision: fp16, min: {exact}, max: {exact}}}")) == []
    lines = ["onnx_size:", "  - {max: 1 GiB}", f"  - {{precision: fp16, max: {exact - 1}}}", "  - {min: 1 GB}"]
    over, under = found(spec(*lines))
    assert over.message.startswith(
        f"onnx_size (fp16): {exact:,} bytes, over the budget of {exact - 1:,} bytes by 1 bytes"
    )
    assert under.message.startswith("onnx_size (fp32): ")
    assert underlined(under) == "1 GB"


def test_a_project_s_budget_is_found_in_the_project_file_and_says_of_which_spec(spec):
    path = spec("params: {max: 1G}")
    Path("resnet-gen.toml").write_text('[budgets."n*"]\nparams.max = 5000\n[budgets.other]\nparams.max = 1\n')
    loaded = load(str(path))
    rule = ProjectBudgetKept(read_project(Path("resnet-gen.toml")))
    (problem,) = verify(loaded, lower(loaded), [rule])
    assert str(problem) == (
        "resnet-gen.toml:2:14: error: net: params: 5,266, over the budget of 5,000 by 266 (5.32%) [budget]\n"
        "   2 | params.max = 5000\n"
        "                    ^^^^"
    )


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (0, "0"), (999_999_999_999_999_999, "999,999,999,999,999,999"), (10**18, "1.000e+18"),
        (10**300 - 1, "1.000e+300"), (10**300, "more than 1e300"), (0.5, "0.5"), (1234.5678, "1,234.568"),
        (0.001, "0.001"), (0.00099, "0.00099"), (0.0000123, "1.2e-05"),
    ],
)  # fmt: skip
def test_a_figure_is_shown_whole_or_with_an_exponent(figure, shown):
    assert budget._format_figure(figure) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (1, 0, ""), (1, 100_000, " (0.001%)"), (0.99, 100_000, " (less than 0.001%)"), (0, 5, " (less than 0.001%)"),
        (1, 3, " (33.3%)"), (99.96, 100, " (100%)"), (100, 100, " (100%)"), (123_456, 100, " (123,456%)"),
    ],
)  # fmt: skip
def test_a_part_is_shown_in_percent_if_that_can_be_said(part, whole, shown):
    assert budget._format_percent(part, whole) == shown


@pytest.mark.parametrize("name", ["l4", "a100"])
def test_a_shipped_device_is_none_of_the_spec_s_folder(name, tmp_path):
    path = tmp_path / "net.yaml"
    latency = f"{{target: {name}, precision: fp16, batch: 1, max: 9000}}"
    path.write_text(f"name: net\nextends: cifar-resnet20\nbudgets: {{latency: {latency}}}\n")
    loaded = load(str(path))
    assert verify(loaded, lower(loaded)) == []
