"""The documented line, in the language server that editors run: it completes, explains and checks a spec."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_gen.cli import main

ROOT = Path(__file__).parents[2]
SERVER = shutil.which("yaml-language-server", path=f"{ROOT / 'node_modules/.bin'}{os.pathsep}{os.environ['PATH']}")

pytestmark = pytest.mark.skipif(
    SERVER is None, reason="no yaml-language-server here; `npm install --no-save yaml-language-server` brings it"
)


class Server:
    """A language server over its standard streams, as an editor talks to it."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen([SERVER, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
        self.number = 0
        self.ask("initialize", processId=None, rootUri=folder.as_uri(), capabilities={})
        self.tell("initialized")

    def send(self, **message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def read(self):
        length = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        assert length, "the server has ended"
        return json.loads(self.process.stdout.read(length))

    def tell(self, method, **params):
        self.send(method=method, params=params)

    def ask(self, method, **params):
        self.number += 1
        self.send(id=self.number, method=method, params=params)
        return self.until(lambda m: m.get("id") == self.number and "method" not in m)["result"]

    def until(self, fits):
        while True:
            message = self.read()
            if fits(message):
                return message
            if "id" in message and "method" in message:  # it asks for settings, of which there are none
                items = message.get("params", {}).get("items", [])
                self.send(id=message["id"], result=[None] * len(items) or None)

    def open(self, path: Path):
        text = path.read_text(encoding="utf-8")
        self.tell(
            "textDocument/didOpen",
            textDocument={"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text},
        )
        return self.until(lambda m: m.get("method") == "textDocument/publishDiagnostics")["params"]["diagnostics"]

    def at(self, path: Path, line: int, character: int):
        return {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": character}}


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path)
    yield running
    running.process.kill()
    running.process.communicate()


@pytest.fixture
def spec(tmp_path):
    """A new spec with the line that docs/language.md gives, beside the schema that it names."""
    shown = subprocess.run(
        [sys.executable, "-m", "resnet_gen", "schema"], capture_output=True, text=True, check=True
    ).stdout
    (tmp_path / "schema.json").write_text(shown, encoding="utf-8")
    with pytest.raises(SystemExit, match="0"):
        main(["init", "net", "-o", str(tmp_path)])
    line = next(line for line in (ROOT / "docs/language.md").read_text().splitlines() if "yaml-language-server" in line)
    path = tmp_path / "net.yaml"
    path.write_text(f"{line}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    return path


def test_a_good_spec_has_no_complaints(server, spec):
    assert server.open(spec) == []


def test_mistakes_are_underlined(server, spec):
    text = spec.read_text(encoding="utf-8")
    spec.write_text(text.replace("block: basic", "block: botleneck").replace("norm:", "nrom:"), encoding="utf-8")
    found = server.open(spec)
    lines = spec.read_text(encoding="utf-8").splitlines()
    assert {lines[d["range"]["start"]["line"]].split(":")[0].strip() for d in found} == {"block", "nrom"}


def test_a_key_is_explained(server, spec):
    server.open(spec)
    lines = spec.read_text(encoding="utf-8").splitlines()
    row = next(i for i, line in enumerate(lines) if line.startswith("head:"))
    part = server.ask("textDocument/hover", **server.at(spec, row, 1))
    assert "Global average pooling and a linear layer (He et al. 2015, Table 1)." in part["contents"]["value"]
    setting = server.ask("textDocument/hover", **server.at(spec, row, lines[row].index("classes")))
    assert "Scores that come out." in setting["contents"]["value"]


def test_keys_are_completed(server, spec):
    text = spec.read_text(encoding="utf-8")
    spec.write_text(text + "\nweigh", encoding="utf-8")
    server.open(spec)
    keys = server.ask("textDocument/completion", **server.at(spec, text.count("\n") + 1, 5))
    assert "weight_standardization" in {item["label"] for item in keys["items"]}


def test_kinds_are_completed(server, spec):
    text = spec.read_text(encoding="utf-8")
    spec.write_text(f"{text}antialias: ", encoding="utf-8")
    server.open(spec)
    kinds = server.ask("textDocument/completion", **server.at(spec, text.count("\n"), len("antialias: ")))
    assert {"blur", "average"} <= {item["label"].strip('"') for item in kinds["items"]}
