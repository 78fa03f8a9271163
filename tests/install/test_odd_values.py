"""A value of another kind, anywhere in a client's files, is named as what cannot be edited; nothing breaks over it."""

from __future__ import annotations

import copy
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from hallway.agents.install.all_clients import CLIENTS
from hallway.agents.install.chain import chain_of
from hallway.agents.install.configs import HOOKS, SERVER, Config, JsonConfig, TomlConfig
from hallway.core.errors import ConfigBroken
from install.machine import Machine

ODD: list[Any] = [None, 7, "text", [7], {"x": 7}, [{"hooks": 7}]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HALLWAY_HOME", str(tmp_path / "hallway"))
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "COPILOT_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "HALLWAY_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to the values in a document, at most two members or items of each."""
    yield before
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in [*inner][:2]:
        yield from paths(each, (*before, key))


def replaced(document: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    made = holder = copy.deepcopy(document)
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = odd
    return made


def variants(config: Config) -> Iterator[str]:
    """What hallway writes into an empty file, with every value in turn replaced by one of another kind."""
    written = config.put("")
    is_toml = config.path.endswith(".toml")
    document = tomlkit.parse(written).unwrap() if is_toml else json.loads(written)
    for path in paths(document):
        for odd in ODD:
            if not is_toml:
                yield json.dumps(replaced(document, path, odd))
            elif path and odd is not None:
                yield tomlkit.dumps(replaced(document, path, odd))


def configs_of(name: str) -> list[Config]:
    return [each for each in CLIENTS[name].configs(None) if isinstance(each, (JsonConfig, TomlConfig))]


def edits(config: Config) -> list[Callable[[str], object]]:
    has = [partial(config.has, what) for what in config.holds]
    return [config.put, config.take, config.server, *has]


@pytest.mark.promise("I1")
@pytest.mark.parametrize("name", CLIENTS)
def test_a_value_of_another_kind_is_edited_or_named(home: Path, name: str) -> None:
    for config in configs_of(name):
        for text in variants(config):
            for edit in edits(config):
                with suppress(ConfigBroken):
                    edit(text)


@pytest.mark.promise("I2")
@pytest.mark.parametrize("name", CLIENTS)
def test_the_steps_of_a_client_are_told_whatever_its_files_hold(home: Path, name: str) -> None:
    client = CLIENTS[name]
    for config in configs_of(name):
        Path(config.path).parent.mkdir(parents=True, exist_ok=True)
        Path(config.path).write_text(config.put(""))
    for config in configs_of(name):
        whole = Path(config.path).read_text()
        for text in [*variants(config)][::3]:  # a step takes a while, and those in between are like their neighbours
            Path(config.path).write_text(text)
            assert [link.short for link in chain_of(client).links][1:3] == [SERVER, HOOKS]
        Path(config.path).write_text(whole)


@pytest.mark.promise("I2")
@pytest.mark.parametrize("name", CLIENTS)
def test_a_setting_of_another_kind_switches_nothing_off(home: Path, name: str) -> None:
    for switch in CLIENTS[name].switches(str(home), "hallway"):
        for at in range(len(switch._keys) + 1):
            for odd in ODD:
                settings = odd
                for key in reversed(switch._keys[:at]):
                    settings = {key: settings}
                assert switch.is_off(settings) in (False, "does not name" in switch.detail and at == len(switch._keys))


@pytest.mark.promise("I1")
def test_what_is_no_file_is_named_and_nobody_waits_for_it(machine: Machine) -> None:
    """A program reads a named pipe for as long as nobody writes into it."""
    (machine.user / ".claude").mkdir()
    path = machine.user / ".claude" / "settings.json"
    os.mkfifo(path)
    assert f"{path} is no regular file" in machine.installs("claude-code", status=7)
    assert "✗ server" in machine.types("list").stdout
    assert f"{path} is no regular file" in machine.types("doctor").stdout
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.promise("I1")
def test_the_program_that_uninstalls_alone_does_not_wait_for_a_pipe(machine: Machine) -> None:
    machine.installs("claude-code")
    (machine.user / ".claude.json").unlink()
    os.mkfifo(machine.user / ".claude.json")
    done = machine.runs([sys.executable, str(machine.home / "uninstall" / "uninstall.py")])
    assert done.returncode == 1
    assert ".claude.json: cannot be edited: it is no regular file" in done.stdout
    assert not (machine.user / ".claude" / "settings.json").exists()
