"""The docs say what is true: examples run, the reference is the code's, links lead somewhere, settings are told."""

from __future__ import annotations

import ast
import builtins
import http.client
import importlib.util
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

import hallway
from hallway.bus.remote import HERE_HEADER, RemoteWorkspace, write_here
from hallway.core import errors
from mcp_server import Server
from postgres import free_port
from proxy import make_certificate
from real_proxies import listens, program_of
from support import until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def trees() -> list[tuple[str, ast.Module]]:
    """Return the parsed modules of the package, by path."""
    paths = sorted((ROOT / "src").rglob("*.py"))
    return [(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", sorted(generator().PAGES.keys() - {"commands.md"}))
def test_the_reference_is_what_the_code_says(page: str) -> None:
    written = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    assert written == generator().PAGES[page](), "run: make docs"


def test_every_command_is_in_the_reference() -> None:
    # Not compared word by word: argparse lays its help out anew with every Python.
    written = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^## hallway (.+)$", written, re.MULTILINE))
    from hallway.cli.main import build_parser

    assert headings == {words for words, _ in generator()._commands(build_parser())}, "run: make docs"


def test_help_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    from hallway.cli.main import build_parser

    for words, command in generator()._commands(build_parser()):
        assert max(map(len, command.format_help().splitlines())) <= 80, words


ERROR = re.compile(r"[Rr]aises ([^.;]*)")
NAME = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b|\b(?:Conflict|Repeated|Refused|Forbidden|Unavailable)\b")


def test_docstrings_name_errors_that_exist() -> None:
    known = {name for name in vars(errors) if name[0].isupper()} | set(dir(builtins))
    defined = {node.name for _, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)):
                told = " ".join((ast.get_docstring(node) or "").split())
                named = {name for part in ERROR.findall(told) for name in NAME.findall(part)}
                assert named <= known | defined, path


FILE = re.compile(r"[\w/.-]*\w\.(?:py|sql|tsv)\b")
ELSEWHERE = {
    "src/api/users.py",
    "/bootstrap.py",
    "api/auth.py",
    "uninstall.py",
    "/.local/share/hallway/uninstall/uninstall.py",
    "shop.py",
    "settings.py",
}  # of an example, or made by an installation


def test_files_that_docs_and_docstrings_name_exist() -> None:
    tracked = run(["git", "ls-files"], ROOT).stdout.split()
    pages = [path for path in tracked if path.endswith(".md") and not path.startswith("CHANGELOG")]
    told = {path: (ROOT / path).read_text(encoding="utf-8") for path in pages}
    told |= {
        path: "\n".join(
            ast.get_docstring(node) or ""
            for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module))
        )
        for path, tree in trees()
    }
    for path, text in told.items():
        for name in FILE.findall(text):
            if not re.search(r"NOUN|CLIENT|DIALECT", name) and name not in ELSEWHERE:
                assert any(f"/{each}".endswith(f"/{name.lstrip('./')}") for each in tracked), f"{path}: {name}"


def test_the_readme_fits_on_a_page() -> None:
    assert len(README.encode()) <= 6 * 1024


def test_the_readmes_python_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        done = run([sys.executable, "-c", block], tmp_path)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.promise("S12")
def test_the_readmes_program_is_live_for_as_long_as_it_follows(tmp_path: Path) -> None:
    """It follows for longer than its time to live, which is the shortest there is."""
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    block = block.replace('capabilities=["review"]', "ttl_s=10").replace("follow(timeout_s=1)", "follow(timeout_s=15)")
    assert "ttl_s=10" in block
    assert "timeout_s=15" in block
    with ThreadPoolExecutor(1) as pool, hallway.connect(tmp_path / "home") as beside:
        program = pool.submit(run, [sys.executable, "-c", block], tmp_path)
        until(lambda: beside.sessions.find_sessions())
        while not program.done():
            assert [each.session_id for each in beside.sessions.find_sessions()] == ["s2"]
            time.sleep(0.1)
        assert program.result().returncode == 0, program.result().stderr
        assert "session.expired" not in {event.kind for event in beside.events.read()}


def test_the_readmes_commands_run(tmp_path: Path) -> None:
    """All but those that need a hub or never end, one after the other, in one home."""
    lines = re.findall(r"^\$ (hallway .+?)(?:  +#.*)?$", README, re.MULTILINE)
    runnable = [line for line in lines if not line.startswith(("hallway watch", "hallway serve"))]
    assert len(runnable) >= 5
    for line in runnable:
        command = line.replace("hallway", f"{sys.executable} -m hallway", 1)
        done = run(["sh", "-c", command], tmp_path)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"


def test_every_setting_is_told() -> None:
    """Every environment variable that the code reads is in the README or in docs/."""
    read = {
        name
        for path in (ROOT / "src").rglob("*.py")
        for name in re.findall(r"\bHALLWAY_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    told = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {name for name in read if f"`{name}`" not in told} == set()


def test_the_configurations_of_a_client_by_hand_start_a_server(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "mcp.md").read_text(encoding="utf-8")
    entries = [
        json.loads(block)["mcpServers"]["hallway"] for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    ]
    started = [entry for entry in entries if "command" in entry]
    assert (len(entries), len(started)) == (3, 2)
    for entry in started:
        assert (entry["command"], entry["args"][0]) == ("hallway", "mcp")
        server = Server(tmp_path / "hallway", *entry["args"][1:], **entry.get("env", {}))
        named = entry.get("env", {}).get("HALLWAY_SESSION")
        assert server.call("status")["session_id"] == named or named is None
        assert server.close() == 0


SHELL = frozenset(("|", ">", "<", "&&", ";", "&"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_shows_is_one_that_hallway_takes(page: Path) -> None:
    from hallway.cli.main import build_parser

    refused = []
    for block in re.findall(r"^```console.*?\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        for line in re.findall(r"^\$ (?:[A-Z_]+=\S+ )*hallway(?: (.*))?$", block, re.MULTILINE):
            words = list(itertools.takewhile(lambda word: word not in SHELL, shlex.split(line, comments=True)))
            try:
                build_parser().parse_args(words)
            except SystemExit as ended:
                refused += [line] if ended.code else []
    assert refused == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\]\((\d{4}-[^)]+)\)", (folder / "README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in folder.glob("0*.md")}


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HALLWAY_")}
    environ = {**kept, "HOME": str(folder), "HALLWAY_HOME": str(folder / "home")}
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True)


def test_a_hub_has_one_port_in_every_page() -> None:
    for page in PAGES:
        ports = set(re.findall(r"(?:127\.0\.0\.1|localhost):(\d+)", page.read_text(encoding="utf-8")))
        assert ports <= {"7433", "7434"}, page  # the default, and that of a second hub on one host


def test_no_page_installs_a_package_that_is_not_published() -> None:
    for page in PAGES:
        for wanted in re.findall(r"pip install ([^\n`]+)", page.read_text(encoding="utf-8")):
            assert wanted.strip("'\"").startswith("."), f"{page}: pip install {wanted}"
    assert README.index("git clone") < README.index("pip install .")


def test_every_word_of_the_glossary_is_one_of_the_code() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")).lower()
    words = [line.split("|")[1].split(",")[0].strip() for line in glossary.splitlines() if line.startswith("| ")][1:]
    assert len(words) > 20
    assert [word for word in words if not re.search(rf"(?<![a-z]){re.escape(word)}", code)] == []


def test_no_paragraph_stands_in_two_places_of_a_page() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert "<<<<<<<" not in text
        lines = [line for line in text.splitlines() if len(line) > 60 and not line.startswith(("|", "    ", "$", " "))]
        if page.parent.name != "reference":
            assert [line for line in lines if lines.count(line) > 1] == [], page


# -- settings of proxies ----------------------------------------------------------------------------------------------

# For each proxy: the first line of its settings in the docs, what checks them, and what has to be around them.
CHECKED = {
    "nginx": (
        "# nginx.conf",
        ("-t", "-q", "-p", "{folder}", "-e", "stderr", "-c", "{path}"),
        "pid nginx.pid; error_log stderr; events {{}} http {{ access_log off; {} }}",
    ),
    "caddy": ("# Caddyfile", ("validate", "--adapter", "caddyfile", "--config", "{path}"), "{}"),
    "haproxy": ("# haproxy.cfg", ("-c", "-q", "-f", "{path}"), "{}"),
}


@pytest.mark.parametrize("proxy", CHECKED)
def test_a_proxy_takes_the_settings_that_the_docs_give_for_it(proxy: str, tmp_path: Path) -> None:
    head, options, around = CHECKED[proxy]
    page = (ROOT / "docs" / "how-to" / "many-machines.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (settings,) = [block for block in blocks if block.startswith(head)]
    certificate, key = make_certificate(tmp_path)
    (tmp_path / "both.pem").write_text(Path(certificate).read_text() + Path(key).read_text())
    for stated, there in ((".crt", certificate), (".key", key), (".pem", str(tmp_path / "both.pem"))):
        settings = re.sub(rf"/etc/\w+/bus\.example\.org\{stated}", there, settings)
    path = tmp_path / "settings"
    path.write_text(around.format("\n" + settings))
    command = [program_of(proxy), *(each.format(folder=tmp_path, path=path) for each in options)]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


class _Named(BaseHTTPRequestHandler):
    """Answers with the name of the database that its server stands for."""

    def do_GET(self) -> None:
        name = self.server.server_name.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name)

    def log_message(self, *_: object) -> None:
        pass


def test_the_router_of_the_page_on_scale_sends_each_project_to_its_database(tmp_path: Path) -> None:
    program = program_of("haproxy")
    page = (ROOT / "docs" / "how-to" / "scale.md").read_text(encoding="utf-8")
    (directory,) = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (settings,) = re.findall(r"^```\n(# haproxy.cfg.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "projects.map").write_text(directory)
    port, servers = free_port(), {}
    settings = re.sub(r"bind .*", f"bind 127.0.0.1:{port}", settings)
    settings = settings.replace("/etc/haproxy/projects.map", str(tmp_path / "projects.map"))
    for number, name in enumerate(("db1", "db2", "db3")):
        servers[name] = ThreadingHTTPServer(("127.0.0.1", 0), _Named)
        servers[name].server_name = name
        threading.Thread(target=servers[name].serve_forever, daemon=True).start()
        settings = settings.replace(f"127.0.0.{number + 1}:7433", f"127.0.0.1:{servers[name].server_port}")
    (tmp_path / "haproxy.cfg").write_text(settings)
    router = subprocess.Popen([program, "-db", "-q", "-f", str(tmp_path / "haproxy.cfg")])

    def ask(project: str | None) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        fields = {"user": "alice", "branch": "project=x&project=y", "location": "host:/src", "project": project or ""}
        here = {HERE_HEADER: write_here(RemoteWorkspace(fields))} if project else {}
        connection.request("GET", "/sessions", headers=here)
        answer = connection.getresponse().read().decode()
        connection.close()
        return answer

    try:
        until(lambda: listens(port))
        for project, name in (line.split() for line in directory.splitlines()):
            assert ask(project) == name
            assert ask(f"{project}-2") == "db1"
        assert ask(None) == "db1"
    finally:
        router.terminate()
        router.wait()
        for server in servers.values():
            server.shutdown()
            server.server_close()
