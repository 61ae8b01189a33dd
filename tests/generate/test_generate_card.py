"""`generate --to card`: what a model card says, of what was built too, and that no text breaks it."""

import json
import re
import shutil
from html import escape as html_of

import onnxruntime
import pytest
import yaml
from markdown_it import MarkdownIt

from resnet_gen.build.build import build
from resnet_gen.build.request_resolution import BuildWishes, resolve_request
from resnet_gen.engine import image
from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.generate.report import report_files
from resnet_gen.language.load import load
from resnet_gen.system.digest import digest_file
from resnet_gen.system.resources import shipped_specs
from tests.helpers.onnx_runs import TINY
from tests.helpers.pictures import saved


def card(spec=str(TINY), settings=(), folder=None):
    loaded = load(spec, settings)
    ((name, text),) = generate_files(CodeSubject(loaded, folder), "card").items()
    assert name == f"{loaded.spec.name}.md"
    return text


def front(text):
    return yaml.safe_load(text.split("---\n")[1])


def tables(text):
    """The cells of every table, as Markdown's own rules split them."""
    body = text.split("---\n", 2)[2]
    rows, found = [], []
    for token in MarkdownIt("commonmark").enable("table").parse(body):
        if token.type == "table_open":
            rows = []
            found.append(rows)
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and found and token.level >= 4:
            rows[-1].append(token.content)
    return found


@pytest.fixture
def folder(tmp_path):
    build(load(str(TINY)), resolve_request(BuildWishes(None, "onnx", "fp32")), tmp_path / "build")
    return tmp_path / "build"


@pytest.mark.parametrize("spec", ["resnet50", "cifar-resnet20", "cbam-resnet50", "alphago-zero-20"])
def test_it_holds_the_very_tables_of_the_report(spec):
    report = report_files(load(spec))["README.md"]
    lines = [line for line in report.splitlines() if line.startswith("|")]
    assert lines
    assert [line for line in card(spec).splitlines() if line in lines] == lines


def test_it_states_each_count_with_its_convention():
    text = card("resnet50")
    assert "| parameters | 25,557,032 | trainable elements" in text
    assert "| MACs | 4,089,184,256 | multiply-accumulates of convolutions and linear layers" in text
    assert "| activations | 11,114,984 | elements that convolutions and linear layers put out |" in text


def test_findings_and_departures_are_told():
    text = card("resnet50", ["claims=[{what: params, value: 1, source: a | b}]"])
    assert "| params | 1 | 25,557,032 |" in text
    assert "`resnet-gen verify` finds:\n\n- " in text
    assert r"a \| b |" in text
    assert "`resnet-gen verify` finds nothing wrong." in card("resnet50")


def test_the_hub_reads_its_front_and_the_license_is_left_open():
    found = front(card("resnet50"))
    assert found["pipeline_tag"] == "image-classification"
    assert found["library_name"] == "onnx"
    assert "resnet50" in found["tags"]
    assert "license" not in found
    assert front(card(settings=["head=none"]))["pipeline_tag"] == "image-feature-extraction"


def test_nothing_is_said_to_be_measured():
    assert "## Evaluation\n\nNothing has been measured." in card("resnet50")


def test_files_stand_with_their_size_and_hash(folder):
    text = card(folder=folder)
    model = folder / "tiny.onnx"
    assert f"| `tiny.onnx` | {model.stat().st_size:,} | `{digest_file(model)}` |" in text
    assert "**weights drawn from seed 0: what it puts out means nothing**" in text


def test_without_a_build_it_says_how_to_list_the_files(tmp_path):
    assert card(folder=tmp_path) == card()
    assert "`resnet-gen generate tiny --to card --build FOLDER`" in card()


def test_the_command_takes_the_folder_of_the_build_or_finds_it(cli, folder, tmp_path):
    command = ["generate", str(TINY), "--to", "card", "-o"]
    assert cli(*command, str(tmp_path), "--build", str(folder))[0] == 0
    assert cli(*command, str(folder))[0] == 0
    listed = (tmp_path / "tiny.md").read_text(encoding="utf-8")
    assert listed == (folder / "tiny.md").read_text(encoding="utf-8") == card(folder=folder)
    assert cli(*command, str(folder), "--check")[0] == 0


def test_files_that_are_not_as_built_are_refused(cli, folder, tmp_path):
    def refused(*more):
        code, out, err = cli("generate", str(TINY), "--to", "card", "-o", str(tmp_path), "--build", str(folder), *more)
        assert (code, out) == (2, "")
        assert not (tmp_path / "tiny.md").exists()
        return err

    assert "holds another network called 'tiny'" in refused("--set", "head.classes=4")
    model = folder / "tiny.onnx"
    data = model.read_bytes()
    model.write_bytes(data[:-1])
    assert refused().startswith(f"{model}: error: is not the file that the manifest names\n")
    model.unlink()
    assert refused().startswith(f"{model}: error: is not there, and the manifest names it\n")
    manifest = folder / "tiny.manifest.json"
    changed = json.loads(manifest.read_text())
    changed["files"]["../../secret"] = "0" * 64
    manifest.write_text(json.dumps(changed))
    assert "not a manifest of this tool" in refused()
    shutil.rmtree(folder)
    assert refused() == f"{folder}: error: has no manifest of 'tiny'\nhint: resnet-gen build writes one\n"


def test_only_a_card_lists_a_build(cli, folder):
    code, _, err = cli("generate", str(TINY), "--to", "triton", "--build", str(folder))
    assert (code, err.splitlines()[0]) == (2, "error: --build means nothing for --to triton")


def test_two_specs_of_one_name_do_not_write_over_each_other(cli, tmp_path):
    code, out, err = cli("generate", str(TINY), str(TINY), "--to", "card", "-o", str(tmp_path))
    assert (code, out) == (2, "")
    assert err.startswith(f"{TINY}: error: two specs write 'tiny.md'\n")
    assert list(tmp_path.iterdir()) == []


def test_the_code_that_loads_it_runs(folder, tmp_path, monkeypatch):
    (source,) = re.findall(r"```python\n(.*?)```", card(folder=folder), re.DOTALL)
    picture = saved(tmp_path)[0].rename(folder / "picture.png")
    monkeypatch.chdir(folder)
    names = {}
    exec(compile(source, "card.py", "exec"), names)
    session = onnxruntime.InferenceSession("tiny.onnx", providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"input": image.read_image(picture, load(str(TINY)).spec.input)})
    assert (names["outputs"][0] == wanted[0]).all()


HOSTILE = "a | b: \"c\" 'd' \\ <script> [x](y) `z` *w* # e\n---\nlicense: mit\n| q |\n- *r* & ünïcode 漢 😀"


def test_no_text_breaks_the_front_the_heading_or_a_table():
    plain = card(settings=["title=x", "paper=y", "claims=[{what: layers, printed: '4', source: z}]"])
    words = json.dumps(HOSTILE, ensure_ascii=False)
    claims = f"claims=[{{what: layers, printed: '4', source: {words}}}]"
    odd = card(settings=[f"title={words}", f"paper={words}", claims])
    assert front(odd) == {**front(plain), "model_name": HOSTILE}
    cells = [[[len(row) for row in rows] for rows in tables(text)] for text in (odd, plain)]
    assert cells[0] == cells[1]
    html = MarkdownIt("commonmark").enable("table").render(odd.split("---\n", 2)[2])
    shown = html_of(" ".join(HOSTILE.split())).replace("&#x27;", "'")
    assert f"<h1>{shown}</h1>" in html
    assert f"<p>{shown}.</p>" in html
    assert f"<td>{shown}</td>" in html


def test_every_shipped_network_has_a_card():
    for name in list(shipped_specs())[::12]:
        assert len(tables(card(name))) >= 4


def test_what_a_comment_suppresses_is_told_apart(tmp_path):
    spec = tmp_path / "accepted.yaml"
    claim = "claims: [{what: params, value: 12, source: somewhere}]"
    text = re.sub(r"(?m)^claims:.*(\n[ -].*)*", "", TINY.read_text()).replace("name: tiny", "name: accepted")
    spec.write_text(f"{text}\n{claim}\n")
    open_card, open_report = card(str(spec)), report_files(load(str(spec)))["README.md"]
    spec.write_text(f"{text}\n{claim}  # resnet-gen: ignore[claim] a figure of another year\n")
    accepted = card(str(spec)), report_files(load(str(spec)))["README.md"]
    assert "finds:" in open_card
    assert "1 finding" in open_report
    for page in accepted:
        assert "a figure of another year" in page
        assert not re.search("finds:|1 finding", page)
