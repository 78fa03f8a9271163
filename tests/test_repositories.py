"""One repository, one project; two repositories, two: judged by git itself where git can say."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hallway.local.workspace import current_branch, find_repository, normalise_remote, remote_url, resolve_project

SHOP = "github.com/acme/shop"
AZURE = "dev.azure.com/acme/web/shop"
SAME = {
    SHOP: [
        "https://github.com/acme/shop",
        "https://github.com/acme/shop.git",
        "https://github.com/acme/shop/",
        "https://github.com/acme/shop.git/",
        "https://github.com/acme/shop.git//",
        "https://github.com//acme//shop",
        "http://github.com/acme/shop",
        "https://github.com:443/acme/shop",
        "http://github.com:80/acme/shop",
        "https://GitHub.com/Acme/Shop.git",
        "HTTPS://github.com/acme/shop",
        "https://github.com./acme/shop",
        "https://alice@github.com/acme/shop",
        "https://alice:secret@github.com/acme/shop",
        "https://x-access-token:ghp_secret@github.com/acme/shop.git",
        "https://github.com/acme/shop?token=secret",
        "https://github.com/acme/shop.git?access_token=secret&x=1",
        "https://github.com/acme/shop#readme",
        "git@github.com:acme/shop",
        "git@github.com:acme/shop.git",
        "git@github.com:/acme/shop.git",
        "github.com:acme/shop.git",
        "alice@github.com:Acme/Shop.git",
        "git@github.com:acme/shop.GIT",
        "ssh://git@github.com/acme/shop",
        "ssh://git@github.com/acme/shop.git",
        "ssh://git@github.com:22/acme/shop",
        "ssh://github.com/acme/shop",
        "git+ssh://git@github.com/acme/shop.git",
        "ssh+git://git@github.com/acme/shop",
        "ssh://git@ssh.github.com:443/acme/shop.git",
        "git@ssh.github.com:acme/shop.git",
        "git://github.com/acme/shop.git",
        "git://github.com:9418/acme/shop.git",
        " https://github.com/acme/shop\n",
        "git@github-work:acme/shop.git",
        "ssh://git@github-work/acme/shop.git",
        "git@gh-alice:acme/shop",
    ],
    "gitlab.com/acme/group/shop": [
        "https://gitlab.com/acme/group/shop.git",
        "git@gitlab.com:acme/group/shop.git",
        "ssh://git@altssh.gitlab.com:443/acme/group/shop.git",
        "https://gitlab.com/Acme/Group/Shop",
        "https://oauth2:glpat-secret@gitlab.com/acme/group/shop.git",
    ],
    "bitbucket.org/acme/shop": [
        "https://alice@bitbucket.org/acme/shop.git",
        "git@bitbucket.org:acme/shop.git",
        "ssh://git@altssh.bitbucket.org:443/acme/shop.git",
        "git@bitbucket.org:Acme/shop",
    ],
    AZURE: [
        "https://dev.azure.com/acme/web/_git/shop",
        "https://acme@dev.azure.com/acme/web/_git/shop",
        "git@ssh.dev.azure.com:v3/acme/web/shop",
        "ssh://git@ssh.dev.azure.com/v3/acme/web/shop",
        "ssh://git@ssh.dev.azure.com:22/v3/acme/web/shop",
        "https://acme.visualstudio.com/web/_git/shop",
        "https://acme.visualstudio.com/DefaultCollection/web/_git/shop",
        "acme@vs-ssh.visualstudio.com:v3/acme/web/shop",
        "https://dev.azure.com/Acme/Web/_git/Shop",
    ],
    "dev.azure.com/acme/shop/shop": [
        "https://dev.azure.com/acme/_git/shop",
        "https://dev.azure.com/acme/shop/_git/shop",
        "git@ssh.dev.azure.com:v3/acme/shop/shop",
        "https://acme.visualstudio.com/_git/shop",
    ],
    "git.acme.com/shop": [
        "https://git.acme.com/shop.git",
        "git@git.acme.com:shop.git",
        "ssh://git@git.acme.com/shop",
        "https://user:p%40ss@git.acme.com/shop",
    ],
    "[2001:db8::1]/shop": ["https://[2001:db8::1]/shop.git", "ssh://git@[2001:db8::1]/shop", "git@[2001:db8::1]:shop"],
}
APART = [
    "http://localhost:3000/acme/shop",
    "http://localhost:4000/acme/shop",
    "http://localhost/acme/shop",
    "https://git.acme.com:8443/shop",
    "https://git.acme.com/shop",
    "ssh://git@git.acme.com:2222/shop",
    "https://git.acme.com/Shop",
    "https://github.com/acme/shop",
    "https://github.com/acme/shop-2",
    "https://github.com/bob/shop",
    "https://gitlab.com/acme/shop",
    "https://dev.azure.com/acme/web/_git/shop",
    "https://dev.azure.com/acme/api/_git/shop",
    "git@[2001:db8::1]:shop",
    "git@[2001:db8::2]:shop",
    "https://git.acme.com/.git",
    "https://git.acme.com/shop.github",
]
SSH = """\
# mine
Host other
  HostName example.org
Host github-work gh-*
\tHostName=GitHub.com
\tIdentityFile ~/.ssh/work
Match host github-work exec "false"
  HostName nowhere.example
"""
ROWS = [(url, project) for project, urls in SAME.items() for url in urls]


@pytest.fixture
def user(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (home / ".ssh").mkdir(mode=0o700)
    (home / ".ssh" / "config").write_text(SSH)
    return home


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(("url", "project"), ROWS, ids=[url for url, _ in ROWS])
def test_every_form_of_a_remote_is_one_project(user: Path, url: str, project: str) -> None:
    assert normalise_remote(url) == project
    assert "secret" not in normalise_remote(url)
    assert "p%40ss" not in normalise_remote(url)


def test_two_repositories_are_two_projects(user: Path) -> None:
    assert len({normalise_remote(url) for url in APART}) == len(APART)


def test_the_table_is_large() -> None:
    assert len(ROWS) + len(APART) >= 80


# -- configurations, compared with git --------------------------------------------------------------------------------

CONFIGS = {
    "plain": '[remote "origin"]\n\turl = https://github.com/acme/shop.git\n',
    "capitals": '[REMOTE "origin"]\n\tURL = https://github.com/acme/shop.git\n',
    "one line": '[remote "origin"] url = https://github.com/acme/shop.git\n',
    "two sections in a line": '[core] bare = false\n[remote "origin"] url=https://github.com/acme/shop.git\n',
    "comments": '# mine\n; too\n[remote "origin"] # here\n  url = https://github.com/acme/shop.git ; and here\n',
    "quotes": '[remote "origin"]\n\turl = "https://github.com/acme/shop.git" # x\n',
    "a quoted hash": '[remote "origin"]\n\turl = "https://github.com/acme/shop#1"\n',
    "continued": '[remote "origin"]\n\turl = https://github.com/\\\nacme/shop.git\n',
    "a mark": '\ufeff[remote "origin"]\n\turl = https://github.com/acme/shop.git\n',
    "no spaces": '[remote "origin"]\nurl=https://github.com/acme/shop.git\n',
    "windows": '[remote "origin"]\r\n\turl = https://github.com/acme/shop.git\r\n',
    "no line end": '[remote "origin"]\n\turl = https://github.com/acme/shop.git',
    "another first": '[remote "fork"]\n\turl = git@github.com:bob/shop\n'
    '[remote "origin"]\n\turl = git@github.com:acme/shop\n',
    "escapes": '[remote "origin"]\n\turl = "C:\\\\src\\\\shop"\n',
    "a key without a value": '[core]\n\tbare\n[remote "origin"]\n\turl = git@github.com:acme/shop\n',
    "rewritten": '[url "https://github.com/"]\n\tinsteadOf = gh:\n[remote "origin"]\n\turl = gh:acme/shop\n',
    "pushed elsewhere": '[url "ssh://git@github.com/"]\n\tpushInsteadOf = https://github.com/\n'
    '[remote "origin"]\n\turl = https://github.com/acme/shop\n',
    "odd names": '[remote "a]b"]\n\turl = git@github.com:x/y\n[remote "origin"]\n\turl = git@github.com:acme/shop\n',
    "more keys": '[remote "origin"]\n\turl = git@github.com:acme/shop\n\tfetch = +refs/*:refs/remotes/o/*\n',
}


@pytest.fixture
def shop(tmp_path: Path, user: Path) -> Path:
    folder = tmp_path / "src" / "shop"
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    return folder


@pytest.mark.parametrize("text", CONFIGS.values(), ids=CONFIGS)
def test_a_configuration_is_read_as_git_reads_it(shop: Path, text: str) -> None:
    (shop / ".git" / "config").write_text(text, newline="")
    repository = find_repository(str(shop))
    assert repository is not None
    assert remote_url(repository) == git(shop, "remote", "get-url", "origin")


@pytest.mark.parametrize("name", [".gitconfig", ".config/git/config"])
def test_what_the_users_configuration_rewrites_is_rewritten(shop: Path, user: Path, name: str) -> None:
    git(shop, "remote", "add", "origin", "work:shop")
    (user / name).parent.mkdir(parents=True, exist_ok=True)
    (user / name).write_text('[url "git@github.com:acme/"]\n\tinsteadOf = work:\n')
    assert git(shop, "remote", "get-url", "origin") == "git@github.com:acme/shop"
    assert resolve_project(str(shop)) == SHOP


def test_what_is_included_counts(shop: Path, user: Path) -> None:
    (shop / ".git" / "more").write_text('[remote "origin"]\n\turl = git@github.com:acme/shop\n')
    with (shop / ".git" / "config").open("a") as config:
        config.write("[include]\n\tpath = more\n")
    assert resolve_project(str(shop)) == SHOP


# -- which folder ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", ["an empty folder", "an empty file", "another file", "a folder without HEAD"])
def test_a_git_entry_that_git_ignores_is_ignored(shop: Path, made: str) -> None:
    git(shop, "remote", "add", "origin", "git@github.com:acme/shop")
    inner = shop / "inner"
    inner.mkdir()
    entry = inner / ".git"
    if made == "an empty folder":
        entry.mkdir()
    elif made == "a folder without HEAD":
        (entry / "objects").mkdir(parents=True)
        (entry / "refs").mkdir()
    else:
        entry.write_text("" if made == "an empty file" else "gitdir: nowhere\n")
    if "file" not in made:  # of a file git says that it is invalid, and stops
        assert git(inner, "rev-parse", "--show-toplevel") == str(shop)
    assert resolve_project(str(inner)) == SHOP


def test_all_worktrees_are_one_project_with_their_own_branches(shop: Path, tmp_path: Path) -> None:
    git(shop, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", "x")
    git(shop, "worktree", "add", "-q", "-b", "login", str(tmp_path / "login"))
    assert resolve_project(str(tmp_path / "login")) == resolve_project(str(shop)) == str(shop)
    assert (current_branch(str(shop)), current_branch(str(tmp_path / "login"))) == ("main", "login")


def test_a_submodule_without_a_remote_is_a_project_of_its_own(shop: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "-q", "-b", "main")
    git(library, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", "x")
    git(shop, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "library")
    inner = shop / "library"
    git(inner, "remote", "remove", "origin")
    assert git(inner, "rev-parse", "--show-toplevel") == str(inner)
    assert resolve_project(str(inner)) == str(inner)
    assert resolve_project(str(shop)) == str(shop)


def test_a_bare_repository_and_one_kept_elsewhere(tmp_path: Path, user: Path) -> None:
    bare = tmp_path / "shop.git"
    bare.mkdir()
    git(bare, "init", "-q", "--bare")
    assert resolve_project(str(bare)) == str(bare)
    (tmp_path / "work").mkdir()
    git(tmp_path / "work", "init", "-q", f"--separate-git-dir={tmp_path / 'elsewhere'}")
    git(tmp_path / "work", "remote", "add", "origin", "git@github.com:acme/shop")
    assert resolve_project(str(tmp_path / "work")) == SHOP


def test_references_in_tables_have_branches_too(shop: Path) -> None:
    """As `git init --ref-format=reftable` makes it: HEAD is a stand-in, and git is asked."""
    has_them = subprocess.run(
        ["git", "init", "-q", "--ref-format=reftable", "x"], cwd=shop, capture_output=True, check=False
    )
    if has_them.returncode == 0:
        assert current_branch(str(shop / "x")) == git(shop / "x", "symbolic-ref", "--short", "HEAD")
        return
    head = shop / ".git" / "HEAD"
    head.write_text("ref: refs/heads/.invalid\n")
    assert current_branch(str(shop)) != ".invalid"


def test_without_git_its_files_are_enough(shop: Path, user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(shop, "remote", "add", "origin", "git@github.com:acme/shop")
    (user / ".gitconfig").write_text('[url "git@github.com:acme/"]\n\tinsteadOf = work:\n')
    monkeypatch.setenv("PATH", "/nowhere")
    assert shutil.which("git") is None
    assert resolve_project(str(shop)) == SHOP
    assert os.environ["PATH"] == "/nowhere"
