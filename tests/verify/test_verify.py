"""Each rule of `verify` is found where it is broken, at its line, and nowhere else."""

import pytest

from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.problems import Refused
from resnet_gen.system.resources import references_folder, shipped_specs
from resnet_gen.verify.rules import RULES
from resnet_gen.weights import references
from tests.helpers.varied import EVERY
from tests.helpers.verification import verify

BASE = """\
name: net
input: {channels: 3, size: 16}
stem: {kind: conv3x3, width: 8}
stages:
  depths: [1, 1]
  widths: WIDTHS
  strides: STRIDES
  block: basic
head: {kind: linear, classes: 10}
"""


def findings(spec, *settings):
    loaded = load(str(spec), settings)
    return verify(loaded, lower(loaded))


@pytest.fixture
def spec(tmp_path):
    """Writes a small spec and returns its path."""

    def write(more="", widths="[8, 16]", strides="[1, 2]"):
        path = tmp_path / "net.yaml"
        path.write_text(BASE.replace("WIDTHS", widths).replace("STRIDES", strides) + more)
        return path

    return write


def rules(found):
    return [problem.rule for problem in found]


def place(problem):
    """Line and column, counted from 1, of the first character that is underlined, and what is underlined."""
    span = problem.where
    return span.line + 1, span.document.line(span.line)[span.column : span.end]


@pytest.mark.parametrize("name", EVERY)
def test_shipped_specs_have_no_finding(name):
    assert [str(problem) for problem in findings(name)] == []


def test_every_rule_that_is_described_has_a_test_here_or_in_test_suppression():
    assert set(RULES) == {
        "claim",
        "reference-state",
        "reference-count",
        "same-map-same-filters",
        "half-map-double-filters",
        "deviation-unneeded",
        "against-layer",  # these five in tests/compare/test_against.py
        "against-shape",
        "against-weight",
        "against-engine",
        "against-surroundings",
        "invalid-spec",
        "suppression",
        "budget",
        "lock",
    }


def claim(text):
    return f"claims:\n  - {{what: params, {text}, source: somebody}}\n"


EXACT = 232 + 1184 + 3680 + 170


def test_the_exact_count_used_below_is_the_network_s(spec):
    assert findings(spec(claim(f"value: {EXACT}"))) == []


@pytest.mark.parametrize("text", [f"value: {EXACT + 1}", f"value: {EXACT - 1}", "value: 0"])
def test_a_value_is_met_exactly_or_found(spec, text):
    (found,) = findings(spec(claim(text)))
    assert (found.rule, place(found)) == ("claim", (11, text.split()[1]))
    assert f"the graph has {EXACT:,} (somebody)" in found.message


@pytest.mark.parametrize("printed", ["5.2K", "5.3K", "5266", "5.26e3", "6K"])
def test_a_printed_figure_within_one_unit_of_its_last_digit_is_met(spec, printed):
    assert findings(spec(claim(f'printed: "{printed}"'))) == []


@pytest.mark.parametrize("printed", ["5.1K", "5.4K", "5267", "4K", "5.28e3", "5.2M"])
def test_a_printed_figure_further_off_is_found_at_the_figure(spec, printed):
    (found,) = findings(spec(claim(f'printed: "{printed}"')))
    assert (found.rule, place(found)) == ("claim", (11, f'"{printed}"'))
    assert found.message == f"params: '{printed}' is printed, the graph has 5,266 (somebody)"


def test_an_exception_with_the_exact_count_stands_for_a_figure_that_cannot_be_met(spec):
    assert findings(spec(claim(f'printed: "9K", exception: {{value: {EXACT}, reason: a typo}}'))) == []


def test_an_exception_is_itself_checked(spec):
    (found,) = findings(spec(claim('printed: "9K", exception: {value: 1, reason: a typo}')))
    assert "the exception states 1, the graph has 5,266" in found.message


def test_an_exception_that_is_not_needed_is_found(spec):
    (found,) = findings(spec(claim(f'printed: "5.3K", exception: {{value: {EXACT}, reason: none}}')))
    assert found.rule == "claim"
    assert "the exception is not needed" in found.message


def test_each_claim_is_checked_by_itself(spec):
    more = (
        "claims:\n"
        "  - {what: layers, value: 6, source: a}\n"
        "  - {what: layers, value: 7, source: b}\n"
        "  - {what: buffers, value: 1, source: c}\n"
    )
    assert [place(problem)[0] for problem in findings(spec(more))] == [12, 13]


def test_a_claim_of_a_parent_is_not_a_claim_of_its_child(tmp_path):
    child = tmp_path / "child.yaml"
    child.write_text("name: child\nextends: resnet18\nhead: {kind: linear, classes: 10}\n")
    assert findings(child) == []


def test_a_reference_of_the_same_names_and_shapes_has_no_finding():
    assert findings("resnet18", "claims=[]") == []


def test_a_reference_is_read_whole_and_in_order():
    published = references.read("torchvision/resnet18", None)
    assert (published.params, published.macs, published.input) == (11689512, 1814073344, 224)
    names = list(published.state)
    assert names[0] == "conv1.weight"
    assert names[-2:] == ["fc.weight", "fc.bias"]
    assert published.state["fc.weight"] == (1000, 512)


def test_every_shipped_reference_is_that_of_a_spec():
    named = {load(name).spec.reference for name in shipped_specs()} - {None}
    assert named == {f"{p.parent.name}/{p.stem}" for p in references_folder().glob("*/*.json")}


def test_another_shape_is_found_with_the_first_tensor_that_differs():
    found = findings("resnet18", "claims=[]", "head.classes=10")
    assert rules(found) == ["reference-state", "reference-count", "reference-count"]
    assert "tensor 100 is 'fc.weight' 1000x512 in the reference, 'fc.weight' 10x512 here; 2 of 102" in found[0].message
    assert place(found[0]) == (6, "torchvision/resnet18")


def test_another_name_is_found():
    (found,) = findings("resnet18", "claims=[]", "naming=paths")
    assert found.rule == "reference-state"
    assert "'conv1.weight' 64x3x7x7 in the reference, 'stem.conv.weight' 64x3x7x7 here" in found.message


def test_missing_and_additional_tensors_are_found():
    shallow, deep = (findings("resnet18", "claims=[]", f"stages.depths={d}") for d in ("[2,2,2,1]", "[2,2,2,3]"))
    assert rules(shallow) == rules(deep) == ["reference-state", "reference-count", "reference-count"]
    assert "of 102 differ" in shallow[0].message


def test_macs_of_the_reference_are_compared_where_parameters_cannot_tell():
    (found,) = findings("resnet50", "claims=[]", "stages.block.stride_on=conv1")
    assert found.rule == "reference-count"
    assert found.message == "macs: torchvision/resnet50 has 4,089,184,256 at 224 pixels, the graph 3,857,973,248"


def test_at_another_input_size_only_parameters_are_compared():
    assert findings("resnet50", "claims=[]", "input.size=64") == []
    assert findings("resnet50", "claims=[]", "input.size=[224, 192]") == []


def test_an_unknown_reference_is_refused_with_the_closest():
    with pytest.raises(Refused) as caught:
        findings("resnet18", "reference=torchvision/resnet15")
    assert "--set:1:11: error: reference: there is no 'torchvision/resnet15'" in str(caught.value)
    assert "hint: did you mean 'torchvision/resnet152'?" in str(caught.value)


@pytest.mark.parametrize("name", ["../../resnet/resnet18", "torchvision/../torchvision/resnet18", "/etc/passwd", ""])
def test_a_reference_is_a_name_and_never_a_path(name):
    with pytest.raises(Refused, match="there is no"):
        findings("resnet18", f"reference={name!r}")


@pytest.mark.parametrize(
    ("widths", "strides", "rule", "wanted"),
    [
        ("[8, 8]", "[1, 2]", "half-map-double-filters", "16 filters"),
        ("[8, 32]", "[1, 2]", "half-map-double-filters", "16 filters"),
        ("[8, 16]", "[1, 1]", "same-map-same-filters", "8 filters"),
    ],
)
def test_a_broken_design_rule_is_found_at_the_widths(spec, widths, strides, rule, wanted):
    (found,) = findings(spec(widths=widths, strides=strides))
    assert (found.rule, place(found)) == (rule, (6, widths))
    assert found.hint.startswith(f"{wanted} keep the rule")


@pytest.mark.parametrize(("widths", "strides"), [("[8, 16]", "[1, 2]"), ("[8, 8]", "[1, 1]"), ("[8, 9]", "[1, 4]")])
def test_design_rules_that_are_kept_or_say_nothing_are_not_found(spec, widths, strides):
    assert findings(spec(widths=widths, strides=strides)) == []


def test_an_odd_map_halves_upwards(spec):
    assert findings(spec(), "input.size=15") == []
    (found,) = findings(spec(widths="[8, 8]"), "input.size=15")
    assert "maps of 15 and 8 with 8 and 8 filters" in found.message


@pytest.mark.parametrize("size", [(64, 15), (15, 64), (2, 9), (9, 2)])
def test_both_sides_of_a_map_are_looked_at(spec, size):
    """A side of one pixel stays one however often it is halved: what the other does tells whether the map halved."""
    height, width = size
    (found,) = findings(spec(widths="[8, 8]"), f"input.size=[{height}, {width}]")
    halved = f"{-(-height // 2)}x{-(-width // 2)}"
    assert f"stages 1 and 2: maps of {height}x{width} and {halved} with" in found.message
    assert findings(spec(widths="[8, 16]"), f"input.size=[{height}, {width}]") == []


@pytest.mark.parametrize("size", [(32, 1), (1, 32)])
def test_a_map_of_one_row_halves_all_the_same(spec, size):
    (found,) = findings(spec(widths="[8, 8]"), f"input.size={list(size)}")
    assert found.rule == "half-map-double-filters"
    assert findings(spec(widths="[8, 16]"), f"input.size={list(size)}") == []


def test_every_pair_of_stages_is_compared():
    found = findings("resnet18", "reference=null", "claims=[]", "stages.widths=[64, 64, 128, 128]")
    assert [problem.message.split(":")[0] for problem in found] == ["stages 1 and 2", "stages 3 and 4"]


def test_a_stated_deviation_is_accepted(spec):
    more = "deviations: {half-map-double-filters: as we like it}\n"
    assert findings(spec(more, widths="[8, 8]")) == []


def test_a_deviation_from_one_rule_does_not_excuse_another(spec):
    more = "deviations: {same-map-same-filters: as we like it}\n"
    assert rules(findings(spec(more, widths="[8, 8]"))) == ["half-map-double-filters", "deviation-unneeded"]


def test_a_deviation_that_is_none_is_found_at_its_reason(spec):
    (found,) = findings(spec("deviations:\n  same-map-same-filters: as we like it\n"))
    assert (found.rule, place(found)) == ("deviation-unneeded", (11, "as we like it"))


def test_a_pooled_stage_is_judged_by_the_map_of_its_blocks(tmp_path):
    child = tmp_path / "child.yaml"
    child.write_text("name: child\nextends: vgg16\nstages: {widths: [64, 128, 256, 512, 510]}\n")
    found = findings(child)
    assert rules(found) == ["half-map-double-filters"]
    assert found[0].message == "stages 4 and 5: maps of 28 and 14 with 512 and 510 filters"


@pytest.fixture
def child(tmp_path):
    """A chain of specs, each of which extends the one before with more lines; returns the last."""

    def write(*changes):
        parent = ""
        for number, change in enumerate(changes):
            path = tmp_path / f"net{number}.yaml"
            path.write_text(f"name: net{number}\n" + (f"extends: {parent}\n" if parent else "") + change)
            parent = path.name
        return path

    return write


KEPT_NARROW = BASE.partition("\n")[2].replace("WIDTHS", "[8, 8]").replace("STRIDES", "[1, 2]")
DEVIATION = "deviations: {half-map-double-filters: as we like it}\n"


@pytest.mark.parametrize("change", ["", "activation: silu\n", "stages: {depths: [2, 2]}\n", "input: {size: 32}\n"])
def test_a_child_inherits_the_deviations_that_it_does_not_change(child, change):
    assert findings(child(KEPT_NARROW + DEVIATION, change)) == []
    assert findings(child(KEPT_NARROW + DEVIATION, "title: between\n", change)) == []
    assert rules(findings(child(KEPT_NARROW, change))) == ["half-map-double-filters"]


def test_a_child_loses_the_deviations_that_its_changes_make_moot(child):
    assert findings(child(KEPT_NARROW + DEVIATION, "stages: {widths: [8, 16]}\n")) == []
    assert rules(findings(child(KEPT_NARROW + DEVIATION, "stages: {widths: [8, 16]}\n", "stages: {widths: [8, 8]}\n")))


def test_a_child_that_breaks_a_rule_in_another_step_says_so_itself(child):
    (found,) = findings(child(KEPT_NARROW + DEVIATION, "stages: {widths: [8, 12]}\n"))
    assert found.message == "stages 1 and 2: maps of 16 and 8 with 8 and 12 filters"
    assert findings(child(KEPT_NARROW + DEVIATION, "stages: {widths: [8, 12]}\n" + DEVIATION)) == []
    more = "stages: {depths: [1, 1, 1], widths: [8, 8, 8], strides: [1, 2, 1]}\n"
    assert findings(child(KEPT_NARROW + DEVIATION, more)) == []
    (found,) = findings(child(KEPT_NARROW + DEVIATION, more.replace("8, 8, 8", "8, 8, 9")))
    assert found.message.startswith("stages 2 and 3: maps of 8 and 8")


@pytest.mark.parametrize(
    ("change", "line", "underlined"),
    [
        ("input: {size: 17}\nstages: {strides: [1, 1]}\n", 3, "17"),
        ("activation: silu\nstages:\n  strides: [1, 1]\n", 5, "[1, 1]"),
        ("stages: {strides: [1, 1], widths: [8, 12]}\n", 3, "[8, 12]"),
    ],
)
def test_a_broken_rule_is_found_at_a_line_of_the_spec_itself(child, change, line, underlined):
    path = child(KEPT_NARROW.replace("[8, 8]", "[8, 16]"), change)
    (found,) = findings(path)
    assert (found.where.document.name, place(found)) == (str(path), (line, underlined))


def test_a_broken_rule_is_found_at_a_setting(child):
    (found,) = findings(child(KEPT_NARROW.replace("[8, 8]", "[8, 16]"), "activation: silu\n"), "stages.strides=[1, 1]")
    assert found.where.document.name == "--set"


@pytest.mark.parametrize("stride", [4, 8, 16, 32])
def test_a_dilated_stage_keeps_the_rules_as_if_its_map_had_shrunk(stride):
    assert findings("resnet50", "claims=[]", "reference=null", f"stages.output_stride={stride}") == []


def test_a_dilated_stage_that_breaks_a_rule_does_so_still():
    widths = "stages.widths=[64, 128, 256, 256]"
    (found,) = findings("resnet50", "claims=[]", "reference=null", widths, "stages.output_stride=16")
    assert found.rule == "half-map-double-filters"
