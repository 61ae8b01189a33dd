"""`review`: what changed in a project's networks since a revision, in a repository of its own."""

import itertools
import json
import shutil
import subprocess

import pytest

from resnet_gen.problems import visible
from tests.helpers.varied import spread

GIT = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]


def git(folder, *words):
    subprocess.run([*GIT, *words], cwd=folder, check=True, capture_output=True)


def spec(name, more=""):
    return f"name: {name}\nextends: resnet18\ntitle: so long a text that git sees where {name} went\n{more}"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Five networks in a commit; then one is changed, one gone, one renamed, one new, and one as it was."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "resnet-gen.toml").write_text('specs = ["nets/*.yaml"]\n')
    (tmp_path / "other.yaml").write_text("no: spec\n")
    for name in ("changed", "gone", "renamed", "same"):
        (tmp_path / f"nets/{name}.yaml").write_text(spec(name))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "one")
    (tmp_path / "nets/changed.yaml").write_text(spec("changed", "stages: {depths: [2, 3, 2, 2]}\n"))
    git(tmp_path, "mv", "nets/renamed.yaml", "nets/elsewhere.yaml")
    git(tmp_path, "rm", "-q", "nets/gone.yaml", "other.yaml")
    (tmp_path / "nets/new.yaml").write_text(spec("new"))
    return tmp_path


def networks(cli, *arguments):
    code, out, _ = cli("review", "--base", "HEAD", "--format", "json", *arguments)
    return code, {n["given"]: n for n in json.loads(out)["networks"]}


def test_what_became_of_each_network(project, cli):
    code, found = networks(cli)
    assert code == 1
    assert {name: n["what"] for name, n in found.items()} == {
        "nets/changed.yaml": "1 block added to stage 2",
        "nets/elsewhere.yaml": "",
        "nets/gone.yaml": "removed",
        "nets/new.yaml": "new",
        "nets/same.yaml": "",
    }
    assert {name for name, n in found.items() if n["changed"]} == {
        "nets/changed.yaml", "nets/gone.yaml", "nets/new.yaml",
    }  # fmt: skip
    changed = found["nets/changed.yaml"]
    more = changed["difference"]["counts"]["macs"]["difference"]
    assert changed["after"]["macs"] - changed["before"]["macs"] == more > 0
    assert found["nets/gone.yaml"]["after"] is None
    assert found["nets/new.yaml"]["before"] is None


def test_text_names_what_changed_and_nothing_else(project, cli):
    code, out, _ = cli("review", "--base", "HEAD")
    assert code == 1
    assert out.startswith(
        "1 promise loosened; 3 of 5 networks changed since HEAD\n\nloosened:\n!  nets/gone.yaml: removed, "
    )
    assert "HEAD:nets/changed.yaml -> nets/changed.yaml: 1 block added to stage 2; params +295,424 (+2.53 %)" in out
    assert "nets/gone.yaml: removed\n" in out
    assert "nets/new.yaml: new\n" in out
    assert "same.yaml" not in out
    assert "elsewhere" not in out


def test_markdown_is_one_table_with_each_difference_below(project, cli):
    _, out, _ = cli("review", "--base", "HEAD", "--for", "t4", "--format", "markdown")
    lines = out.splitlines()
    assert lines[0] == "**1 promise loosened; 3 of 5 networks changed** since <code>HEAD</code>"
    assert lines[2] == "- **loosened** <code>nets/gone.yaml</code> removed, so that nothing is held any more"
    assert lines[4] == "| network | what changed | params | MACs | layers | predicted ms |"
    assert {line.count("|") for line in lines if line.startswith("| <code>nets")} == {7}
    row = next(line for line in lines if line.startswith("| <code>nets/changed"))
    assert "| 1 block added to stage 2 | 11,689,512 → 11,984,936 (+2.53 %) |" in row
    assert "| 18 → 20 (+11.11 %) |" in row
    assert out.count("<details>") == out.count("</details>")
    assert "<details><summary><code>nets/changed.yaml</code></summary>" in out
    assert "have no room here" not in out


def test_nothing_changed(project, cli):
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "two")
    code, out, _ = cli("review", "--base", "HEAD")
    assert code == 0
    assert out == "no network changed since HEAD\n"


def test_a_broken_promise_is_named(project, cli):
    claim = 'claims: [{what: layers, value: 19, source: "nobody"}]\n'
    (project / "nets/same.yaml").write_text(spec("same", claim))
    _, out, _ = cli("review", "--base", "HEAD", "--format", "markdown")
    assert out.startswith("**1 promise loosened; 4 of 5 networks changed; 1 finding** since")
    assert "19 is claimed, the graph has 18" in out
    code, out, _ = cli("review", "nets/same.yaml", "--base", "HEAD")
    assert code == 1  # the claim is new
    assert out.startswith("1 of 1 network changed; 1 finding since HEAD\n")


BROKEN = {
    "a wrong type": b"specs = 3\n",
    "no TOML": b"specs = [\n",
    "an unknown key": b'specs = ["nets/*.yaml"]\nspec = 1\n',
    "no text": b"\xff\xfe\x00",
    "a merge": b"<<<<<<< HEAD\n",
    "two at once": b'specs = []\nspecs = ["nets/*.yaml"]\n',
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_project_file_that_could_not_be_read_then_is_told_in_each_format(project, cli, broken):
    """The networks of now are compared all the same, and it is said what is not."""
    file = project / "resnet-gen.toml"
    whole = file.read_text()
    file.write_bytes(BROKEN[broken])
    git(project, "commit", "-q", "-m", "broken", "--", "resnet-gen.toml")
    file.write_text(whole)
    words = "could not be read before, so that what it listed and promised is not compared"
    code, out, _ = cli("review", "--base", "HEAD")
    assert code == 1
    assert f"\nresnet-gen.toml: {words}\n" in out
    assert "\nHEAD:resnet-gen.toml" in out
    assert "nets/changed.yaml: 1 block added to stage 2" in out
    code, out, _ = cli("review", "--base", "HEAD", "--format", "markdown")
    assert (code, f"- <code>resnet-gen.toml</code> {words}: " in out) == (1, True)
    code, out, _ = cli("review", "--base", "HEAD", "--format", "json")
    assert code == 1
    assert json.loads(out)["project"]["problems"][0].startswith("HEAD:resnet-gen.toml")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "mended")
    assert cli("review", "--base", "HEAD")[0] == 0
    assert cli("review", "--base", "HEAD~1")[0] == 1  # even where no network changed, that file is to be looked at


# --- what is held no more ---------------------------------------------------------


def dropped(project, how):
    """Takes one network out of what is held, in one of the ways there are; returns where that is told, and how."""
    gone, file = project / "nets/same.yaml", project / "resnet-gen.toml"
    if how == "deleted":
        gone.unlink()
    elif how == "deleted in git":
        git(project, "rm", "-q", "-f", "nets/same.yaml")
    elif how == "deleted with its folder":
        shutil.rmtree(project / "nets")
        file.write_text('specs = ["resnet18"]\n')
    elif how == "moved out of the project's sight":
        git(project, "mv", "nets/same.yaml", "elsewhere.yaml")
    elif how == "listed by its name no more":
        file.write_text('specs = ["nets/changed.yaml", "nets/new.yaml", "nets/elsewhere.yaml"]\n')
    elif how == "deleted and listed no more":
        gone.unlink()
        file.write_text('specs = ["nets/changed.yaml"]\n')
    elif how == "the project file deleted":
        file.unlink()
    return {"moved out of the project's sight": "elsewhere.yaml"}.get(how, "nets/same.yaml")


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
@pytest.mark.parametrize(
    "how",
    ["deleted", "deleted in git", "deleted with its folder", "moved out of the project's sight",
     "listed by its name no more", "deleted and listed no more", "the project file deleted"],
)  # fmt: skip
def test_a_verdict_that_is_no_longer_given_is_told_first(project, cli, how, form):
    where = dropped(project, how)
    code, out, _ = cli("review", "--base", "HEAD", "--format", form)
    assert code == 1
    if form == "json":
        told = [found for found in json.loads(out)["loosened"] if found["at"] == where]
        assert len(told) == 1
        assert "so that nothing" in told[0]["what"]
        assert "loosened" in json.loads(out)["headline"]
        return
    lines = out.splitlines()
    marked = {"text": f"!  {where}: ", "markdown": f"- **loosened** <code>{where}</code> "}[form]
    at = [number for number, line in enumerate(lines) if line.startswith(marked) and "so that nothing" in line]
    first = next((n for n, line in enumerate(lines) if line.startswith(("|", "HEAD:", "nets/"))), len(lines))
    assert len(at) == 1
    assert at[0] < first
    assert "loosened" in lines[0]


def test_a_network_that_is_locked_no_more_is_told(project, cli):
    """One that the project does not list is held by the lock alone, and verify cannot miss it there."""
    (project / "resnet-gen.toml").write_text('ignore = ["budget"]\n')
    assert cli("lock", "nets/same.yaml", "nets/changed.yaml")[0] == 0
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "locked")
    assert cli("review", "--base", "HEAD", "nets/same.yaml")[0] == 0
    lock = project / "resnet-gen.lock"
    text = lock.read_text()
    lock.write_text(text[: text.index("[networks.same]")])
    code, out, _ = cli("review", "--base", "HEAD", "nets/same.yaml")
    assert code == 1
    assert out.startswith("1 promise loosened; no network changed; resnet-gen.toml changed since HEAD\n")
    assert "\nloosened:\n!  resnet-gen.toml: lock[same]: nets/same.yaml is gone\n" in out
    lock.write_text(text.replace("[networks.same]", "[networks.other]"))
    assert "lock[same]: nets/same.yaml is gone" in cli("review", "--base", "HEAD", "nets/same.yaml")[1]
    lock.unlink()
    out = cli("review", "--base", "HEAD", "nets/same.yaml")[1]
    assert "!  resnet-gen.toml: lock: resnet-gen.lock is gone\n" in out
    assert "lock[same]" not in out


def test_a_lock_with_more_networks_and_one_that_held_nothing_promise_no_less(project, cli):
    (project / "resnet-gen.lock").write_text("version = 2\nnetworks = 3\n")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "locked")
    (project / "resnet-gen.lock").unlink()
    assert cli("lock")[0] == 0
    assert cli("review", "--base", "HEAD")[:2] == (0, "no network changed since HEAD\n")


def test_a_project_file_that_promises_less_is_told_first(project, cli):
    file = project / "resnet-gen.toml"
    file.write_text(file.read_text() + 'ignore = ["claim"]\n')
    code, out, _ = cli("review", "--base", "HEAD")
    assert code == 1
    assert out.split("\n\n")[1].startswith("loosened:\n!  resnet-gen.toml: ignore: [] -> [claim]\n!  nets/gone.yaml: ")


def test_a_comment_tells_twenty_loosened_promises_and_how_many_more_there_are(project, cli):
    claims = "".join(f"  - {{what: layers, value: 18, source: nobody {number}}}\n" for number in range(25))
    file = project / "nets/same.yaml"
    file.write_text(spec("same", f"claims:\n{claims}"))
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "claims")
    file.write_text(spec("same"))
    _, out, _ = cli("review", "--base", "HEAD", "--format", "markdown")
    told = out.partition("| network |")[0]
    assert told.count("- **loosened** <code>nets/same.yaml</code>") == 20
    assert "\n- and 5 more\n" in told


def test_what_cannot_be_read_now_or_then(project, cli):
    (project / "nets/same.yaml").write_text("name: same\nextends: resnet18\nnrom: batch\n")
    code, out, _ = cli("review", "--base", "HEAD")
    assert code == 2
    assert out.startswith("1 promise loosened; 3 of 5 networks changed; 1 cannot be read since HEAD\n")
    assert "nets/same.yaml: cannot be read\n" in out
    assert "nets/same.yaml:3:1: error: nrom: unknown key\n" in out
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "broken")
    (project / "nets/same.yaml").write_text(spec("same"))
    code, out, _ = cli("review", "nets/same.yaml", "--base", "HEAD")
    assert "nets/same.yaml: could not be read before\n" in out
    assert code == 1


def test_what_could_never_be_read_did_not_change(project, cli):
    (project / "nets/same.yaml").write_text("name: same\nextends: nosuch\n")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "broken")
    code, out, _ = cli("review", "--base", "HEAD")
    assert (code, out.splitlines()[0]) == (2, "no network changed; 1 cannot be read since HEAD")


def test_a_shipped_network_is_what_it_was(project, cli):
    code, found = networks(cli, "resnet18", "nets/same.yaml")
    assert code == 0
    assert {name: n["changed"] for name, n in found.items()} == {"resnet18": False, "nets/same.yaml": False}


def test_a_shipped_network_installed_in_the_repository_is_what_it_was_unless_git_knows_it(project, cli, monkeypatch):
    from resnet_gen.system import resources

    folder = project / "venv" / "specs" / "resnet"
    folder.mkdir(parents=True)
    path = folder / "resnet18.yaml"
    shutil.copy(resources.shipped_specs()["resnet18"], path)
    shipped = {**resources.shipped_specs(), "resnet18": path}
    for module in ("language.load", "compare.difference.review", "project.project_file"):
        monkeypatch.setattr(f"resnet_gen.{module}.shipped_specs", lambda: shipped)
    assert networks(cli, "resnet18")[1]["resnet18"]["changed"] is False
    git(project, "add", "-A")
    assert networks(cli, "resnet18")[1]["resnet18"]["what"] == "new"


def test_one_that_is_gone_can_be_named(project, cli):
    code, found = networks(cli, "nets/gone.yaml")
    assert (code, found["nets/gone.yaml"]["what"]) == (1, "removed")


# --- what is compared is what git has -----------------------------------------------

ODD = [
    "a b.yaml", "a\nb.yaml", "a:b.yaml", "x:nets/a.yaml", "\u200b.yaml", "\u00fc\u4e2d.yaml", "-o.yaml", "--.yaml",
    "[a].yaml", "*.yaml", "a\\b.yaml", "'\".yaml", "\x1b[2J.yaml", "::error::x.yaml", ":(top)a.yaml", "a\tb.yaml",
    "#.yaml", "\u2028.yaml",
    "HEAD:nets/a.yaml", "{a}.yaml", "@{0}.yaml", "$(a).yaml", "~.yaml", "a.yaml\n.yaml", "\udcff.yaml",
]  # fmt: skip


@pytest.mark.parametrize("name", spread(ODD, 9))
def test_a_spec_of_any_name_is_compared_and_so_are_the_others(project, cli, name):
    path = project / "nets" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (project / "resnet-gen.toml").write_text('specs = ["nets/**/*.yaml"]\n')
    try:
        path.write_text(spec("odd"))
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such name")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "odd")
    path.write_text(spec("odd", "activation: silu\n"))
    code, found = networks(cli)
    given = str(path.relative_to(project))
    assert code == 1
    assert {n for n, network in found.items() if network["changed"]} == {given}
    assert "silu" in found[given]["what"]
    for form in ("text", "markdown"):
        _, out, _ = cli("review", "--base", "HEAD", "--format", form)
        assert all(visible(line) == line for line in out.replace("\u200b", "").split("\n"))
        assert form == "markdown" or f" -> {visible(given)}: " in out
    path.unlink()
    assert networks(cli)[1][given]["what"] == "removed"


@pytest.mark.parametrize(
    "revision", ["HEAD", "main", "{sha}", "{sha:.8}", "refs/heads/main", "HEAD~0", "HEAD^{{tree}}"]
)
def test_no_file_of_the_working_tree_stands_in_for_the_base_s(project, cli, revision):
    git(project, "branch", "-M", "main")
    sha = subprocess.run([*GIT, "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True).stdout
    base = revision.format(sha=sha.strip())
    before = cli("review", "--base", base)
    assert "1 block added" in before[1]
    spoof = project / f"{base}:nets" / "changed.yaml"
    spoof.parent.mkdir(parents=True)
    spoof.write_text((project / "nets/changed.yaml").read_text())
    assert cli("review", "--base", base) == before
    told = cli("diff", f"{base}:nets/changed.yaml", "nets/changed.yaml")
    assert (told[0], "1 block added" in told[1]) == (1, True)
    code, _, err = cli("diff", "nowhere:nets/changed.yaml", "nets/changed.yaml")
    assert (code, "git knows no revision 'nowhere'" in err) == (2, True)


@pytest.mark.parametrize("link", ["nets/changed.yaml", "nets"])
def test_a_link_in_a_network_s_place_is_compared_with_what_was_there(project, cli, link):
    """The base has, elsewhere, just what the link leads to."""
    (project / "old").mkdir()
    for path in (project / "nets").iterdir():
        shutil.copy(path, project / "old")
    git(project, "add", "old")
    git(project, "stash", "-q", "--", "nets")
    git(project, "commit", "-q", "-m", "old")
    git(project, "stash", "pop", "-q")
    assert networks(cli)[1]["nets/changed.yaml"]["what"] == "1 block added to stage 2"
    place = project / link
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    place.symlink_to("old" if link == "nets" else "../old/changed.yaml")
    assert networks(cli)[1]["nets/changed.yaml"]["what"] == "1 block added to stage 2"


def test_the_base_s_copied_name_is_whole(project, cli):
    sha = subprocess.run([*GIT, "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True).stdout
    _, out, _ = cli("review", "--base", sha.strip(), "--format", "markdown")
    assert f"since <code>{sha.strip()}</code>" in out


# --- the project file of either --------------------------------------------------------


@pytest.mark.parametrize(
    "file", ['specs = ["nets/same.yaml"]\n', 'specs = ["other/*.yaml", "nets/same.yaml"]\n', "ignore = []\n", None]
)
def test_a_network_that_is_listed_no_more_is_compared_all_the_same(project, cli, file):
    path = project / "resnet-gen.toml"
    if file is None:
        path.unlink()
    else:
        (project / "other").mkdir()
        (project / "other/fresh.yaml").write_text(spec("fresh"))
        path.write_text(file)
    code, found = networks(cli, *(["--config", "resnet-gen.toml"] if file else []))
    changed = {name: n["what"] for name, n in found.items() if n["changed"]}
    assert code == 1
    assert changed["nets/changed.yaml"] == "1 block added to stage 2"
    assert changed["nets/gone.yaml"] == "removed"
    assert "nets/elsewhere.yaml" in changed
    assert "nets/new.yaml" not in changed


def test_a_network_is_none_that_it_was_not_though_an_unlisted_file_was(project, cli):
    (project / "junk").mkdir()
    (project / "junk/x.yaml").write_text(spec("x", "activation: silu\n"))
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "junk")
    git(project, "mv", "junk/x.yaml", "nets/x.yaml")
    assert networks(cli)[1]["nets/x.yaml"]["what"] == "new"


def test_where_two_branches_parted_is_hinted_at(project, cli):
    code, _, err = cli("review", "--base", "HEAD...HEAD")
    assert (code, err.splitlines()[1:]) == (2, ["hint: name one revision: `git merge-base` shows where two diverged"])


def test_networks_named_on_the_command_line_are_all(project, cli):
    _, found = networks(cli, "nets/same.yaml")
    assert set(found) == {"nets/same.yaml"}


def test_a_spec_outside_the_repository_is_refused(project, cli, tmp_path_factory):
    path = tmp_path_factory.mktemp("outside") / "net.yaml"
    path.write_text(spec("net"))
    code, out, err = cli("review", path, "--base", "HEAD")
    message = f"{path}: error: in no revision of this repository, to compare it with\n"
    assert (code, out, err.startswith(message)) == (2, "", True)


def test_from_a_folder_inside(project, cli, monkeypatch):
    monkeypatch.chdir(project / "nets")
    _, found = networks(cli)
    assert {name: n["what"] for name, n in found.items()}["changed.yaml"] == "1 block added to stage 2"
    assert {name: n["what"] for name, n in found.items()}["gone.yaml"] == "removed"


def test_a_comment_is_never_longer_than_github_takes(project, cli):
    for index in range(40):
        (project / f"nets/n{index}.yaml").write_text(spec(f"n{index}"))
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "many")
    for index in range(40):
        more = f"activation: silu\nstem: {{kind: conv7x7, width: {80 + index}}}\nstages: {{attention: se}}\n"
        (project / f"nets/n{index}.yaml").write_text(spec(f"n{index}", more))
    _, out, _ = cli("review", "--base", "HEAD", "--format", "markdown")
    assert 30_000 < len(out) <= 65_536
    assert out.count("<details>") == out.count("</details>")
    assert "have no room here; `resnet-gen review` shows them." in out


def test_the_repository_is_left_as_it_is(project, cli):
    def state():
        told = subprocess.run(["git", "status", "--porcelain"], cwd=project, capture_output=True, check=True).stdout
        return told, sorted(path.name for path in (project / "nets").iterdir())

    before = state()
    cli("review", "--base", "HEAD")
    assert state() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--base", "nowhere"], "nowhere: error: git knows no revision 'nowhere'"),
        (["--base", ""], "error: a revision has no empty name\n"),
        (["--base", "--all"], "--all: error: git knows no revision '--all'\n"),
        (["--base", "HEAD", "--batch", "4"], "error: --precision and --batch are for a prediction\n"),
        (["--base", "HEAD", "-o", "no/such/x.md"], "no/such: error: cannot be written: there is no such folder\n"),
        (["--base", "HEAD", "nets/none.yaml"], "nets/none.yaml: error: "),
    ],
)
def test_what_cannot_be_is_refused(project, cli, arguments, message):
    code, out, err = cli("review", *arguments)
    assert message in out + err
    assert code == 2


def test_outside_a_repository(tmp_path, monkeypatch, cli):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    code, _, err = cli("review", "resnet18", "--base", "HEAD")
    assert code == 2
    assert "this folder is in no git repository" in err


# --- nothing leads out of the repository -------------------------------------------------

SECRET = "name: secret-of-the-machine\nextends: resnet18\n"


@pytest.fixture
def secret(project, tmp_path_factory):
    """A file outside of the repository, and a link to its folder inside."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for name in ("secret.yaml", "secret.py", "secret.toml", "secret.lock"):
        (folder / name).write_text(SECRET)
    (project / "out").symlink_to(folder)
    return folder


LEADS = {
    "a spec": lambda nets, secret: (nets / "x.yaml").symlink_to(secret / "secret.yaml"),
    "a folder of specs": lambda nets, secret: (nets.parent / "resnet-gen.toml").write_text('specs = ["out/*.yaml"]\n'),
    "a parent by its path": lambda nets, secret: (nets / "x.yaml").write_text(
        f"name: x\nextends: ../../{secret.name}/secret.yaml\n"
    ),
    "a parent by its whole path": lambda nets, secret: (nets / "x.yaml").write_text(
        f"name: x\nextends: {secret}/secret.yaml\n"
    ),
    "a parent by a folder's link": lambda nets, secret: (nets / "x.yaml").write_text(
        "name: x\nextends: ../out/secret.yaml\n"
    ),
    "a part": lambda nets, secret: (nets / "x.yaml").write_text(spec("x", "parts: [../out/secret.py]\n")),
    "a device": lambda nets, secret: (nets / "x.yaml").write_text(
        spec("x", "budgets: {latency: {target: ../out/secret.yaml, max: 1.0}}\n")
    ),
    "a lock": lambda nets, secret: (nets.parent / "resnet-gen.lock").symlink_to(secret / "secret.lock"),
    "a named lock": lambda nets, secret: (nets.parent / "resnet-gen.toml").write_text(
        'specs = ["nets/*.yaml"]\nlock = "out/secret.lock"\n'
    ),
    "a spec's path": lambda nets, secret: (nets.parent / "resnet-gen.toml").write_text(
        f'specs = ["{secret}/secret.yaml"]\n'
    ),
    "the project file": lambda nets, secret: (
        (nets.parent / "resnet-gen.toml").unlink(),
        (nets.parent / "resnet-gen.toml").symlink_to(secret / "secret.toml"),
    ),
}


@pytest.mark.parametrize(
    ("command", "case"), spread(itertools.product(["verify", "review", "lock", "lock --check"], LEADS), 22)
)
def test_what_leads_out_of_the_repository_is_not_read(project, secret, cli, case, command):
    if "--check" in command:
        cli("lock")
    (project / "resnet-gen.lock").unlink(missing_ok=True) if case in ("a lock", "a named lock") else None
    LEADS[case](project / "nets", secret)
    words = [*command.split(), *(["--base", "HEAD"] if command == "review" else [])]
    code, out, err = cli(*words)
    assert "secret-of-the-machine" not in out + err
    assert {path.read_text() for path in secret.iterdir()} == {SECRET}
    if case != "a device" or command == "verify":
        assert code == 2
        assert "leads out of the repository" in out + err


def test_what_somebody_names_outside_of_the_repository_is_read(project, secret, cli):
    code, out, _ = cli("verify", secret / "secret.yaml", "--no-config")
    assert (code, out.split(":")[0].split()) == (0, ["ok", "secret-of-the-machine"])
    (project / "nets/near.yaml").symlink_to("same.yaml")
    assert cli("verify", "nets/near.yaml", "--no-config")[0] == 0


@pytest.fixture
def unversioned(project, secret):
    """The same in no repository."""
    shutil.rmtree(project / ".git")
    return project


@pytest.mark.parametrize(
    ("command", "case"), spread(itertools.product(["verify", "lock", "lock --check", "build"], LEADS), 15)
)
def test_what_leads_out_of_a_project_s_folder_is_not_read_where_there_is_no_repository(
    unversioned, secret, cli, case, command
):
    if "--check" in command:
        cli("lock")
    (unversioned / "resnet-gen.lock").unlink(missing_ok=True) if case in ("a lock", "a named lock") else None
    LEADS[case](unversioned / "nets", secret)
    code, out, err = cli(*command.split())
    assert "secret-of-the-machine" not in out + err
    assert {path.read_text() for path in secret.iterdir()} == {SECRET}
    if case not in ("a device", "a lock", "a named lock") or command == "verify":
        assert code == 2
        assert "leads out of the project's folder" in out + err


@pytest.mark.parametrize("where", ["a repository", "no repository"])
@pytest.mark.parametrize("case", sorted(LEADS.keys() - {"the project file"}))  # which is what is named
def test_a_project_of_another_folder_reads_nothing_past_itself(
    project, secret, cli, case, where, monkeypatch, tmp_path_factory
):
    """As `--config` names it: whose its files are decides, and not where somebody works."""
    if where == "no repository":
        shutil.rmtree(project / ".git")
    LEADS[case](project / "nets", secret)
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))
    code, out, err = cli("verify", "--config", project / "resnet-gen.toml")
    assert (code, "secret-of-the-machine" in out + err) == (2, False)
    assert f"leads out of the {'repository' if where == 'a repository' else 'project'}" in out + err


@pytest.mark.parametrize("command", ["show", "count", "verify --no-config", "diff resnet18"])
def test_no_command_reads_past_a_project_s_folder(unversioned, secret, cli, command):
    for case in (
        "a spec",
        "a parent by its path",
        "a parent by its whole path",
        "a parent by a folder's link",
        "a part",
    ):
        (unversioned / "nets/x.yaml").unlink(missing_ok=True)
        LEADS[case](unversioned / "nets", secret)
        code, out, err = cli(*command.split(), "nets/x.yaml")
        assert (code, "secret-of-the-machine" in out + err) == (2, False)
        assert "leads out of the project's folder" in out + err


def test_what_is_in_no_project_may_name_what_it_likes(unversioned, secret, cli, monkeypatch):
    """And so may somebody on the command line."""
    assert cli("verify", secret / "secret.yaml", "--no-config")[0] == 0
    (unversioned / "resnet-gen.toml").unlink()
    (unversioned / "nets/x.yaml").write_text("name: x\nextends: ../out/secret.yaml\n")
    assert cli("verify", "nets/x.yaml")[0] == 0
    (unversioned / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["resnet-gen"]\n')
    assert cli("verify", "nets/x.yaml")[0] == 0  # a dependency makes no project


TABLES = (
    "[tool.resnet-gen]\n",
    '[tool]\nresnet-gen = {ignore = ["budget"]}\n',
    '[tool."resnet-gen"]\n',
    "[ tool . resnet-gen ]\n",
    "tool.resnet-gen.ignore = []\n",
)


@pytest.mark.parametrize("table", TABLES)
def test_a_project_in_a_pyproject_is_one_however_it_is_written(unversioned, secret, cli, table):
    (unversioned / "resnet-gen.toml").unlink()
    (unversioned / "pyproject.toml").write_text(table)
    (unversioned / "nets/x.yaml").write_text("name: x\nextends: ../out/secret.yaml\n")
    code, out, err = cli("verify", "nets/x.yaml")
    assert (code, "leads out of the project's folder" in out + err) == (2, True)


def test_a_folder_inside_of_a_project_is_in_its_fence(unversioned, cli, monkeypatch):
    (unversioned / "nets/pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["resnet-gen"]\n')
    (unversioned / "base.yaml").write_text(spec("base"))
    (unversioned / "nets/x.yaml").write_text("name: x\nextends: ../base.yaml\n")
    monkeypatch.chdir(unversioned / "nets")
    assert cli("verify", "x.yaml")[0] == 0
