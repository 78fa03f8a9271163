"""Queries over fixed memories, each with the entries that it finds, on every store.

Those of `ANSWERS` were written before the search was changed. `docs/performance.md` says how many were right before and
after.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.principal import Principal
from hallway.services import search
from hallway.store.tokenize import MAX_COUNT, MAX_WORDS, Excerpts
from postgres import forget, new_address
from support import STORES, Here, open_store

MEMORY: dict[str, Any] = {
    "auth/hash": "passwords are hashed with argon2id",
    "auth/form": "the LoginForm posts to the hub",
    "auth/style": "login_form has its own stylesheet",
    "auth/config": "set login.form to true",
    "auth/logout": "signing out deletes the cookie",
    "db/order": "migrations run in order of their numbers",
    "db/rollback": "a migration has no way back",
    "db/engine": "PostgreSQL 16 holds the orders table",
    "db/slow": "one slow query on invoices",
    "db/index": "an index was added on customer_email",
    "cache/jp": "サービスはRedisを使う",
    "cache/cn": "缓存使用Memcached集群",
    "cache/kr": "캐시는Valkey를 사용한다",
    "cache/plan": "caching starts in spring",
    "queue/retries": "a job is retried with backoff",
    "queue/batch": "batches of forty jobs",
    "web/url": "parseURLPath splits the address",
    "web/errors": {"handler": "errors.render_page", "status": 500},
    "web/boxes": "checkboxes need labels",
    "ops/run": "running the linter takes a minute",
    "ops/tls": "sha256sum of the certificate is pinned",
    "ops/animal": "the zebra is the mascot",
    "ops/policy": "policies expire each quarter",
    "ops/city": "die Größe der Datei",
}

# A query; the keys that it finds, in any order; whether they have only some of its words.
ANSWERS: list[tuple[str, set[str], bool]] = [
    # all of the words, as they are written
    ("zebra", {"ops/animal"}, False),
    ("slow query", {"db/slow"}, False),
    ("orders table", {"db/engine"}, False),
    ("LoginForm", {"auth/form", "auth/style", "auth/config"}, False),
    ("größe", {"ops/city"}, False),
    ("backoff job", {"queue/retries"}, False),
    # Latin words beside Chinese, Japanese and Korean
    ("Redis", {"cache/jp"}, False),
    ("redis 使う", {"cache/jp"}, False),
    ("Redisを使う", {"cache/jp"}, False),
    ("memcached", {"cache/cn"}, False),
    ("缓存", {"cache/cn"}, False),
    ("valkey", {"cache/kr"}, False),
    ("redi", {"cache/jp"}, False),
    # identifiers by a part
    ("login", {"auth/form", "auth/style", "auth/config"}, False),
    ("login.form", {"auth/form", "auth/style", "auth/config"}, False),
    ("url", {"web/url"}, False),
    ("render", {"web/errors"}, False),
    ("customerEmail", {"db/index"}, False),
    ("loginForms", {"auth/form", "auth/style", "auth/config"}, False),
    ("form_login", {"auth/form", "auth/style", "auth/config"}, False),
    # the beginning of a word
    ("argon2", {"auth/hash"}, False),
    ("argon", {"auth/hash"}, False),
    ("postgres", {"db/engine"}, False),
    ("sha256", {"ops/tls"}, False),
    ("cert pinned", {"ops/tls"}, False),
    ("dat", {"ops/city"}, False),
    # plurals and stems
    ("zebras", {"ops/animal"}, False),
    ("queries", {"db/slow"}, False),
    ("cookies", {"auth/logout"}, False),
    ("certificates", {"ops/tls"}, False),
    ("caches", {"cache/jp", "cache/cn", "cache/kr", "cache/plan"}, False),
    ("batch", {"queue/batch"}, False),
    ("policy", {"ops/policy"}, False),
    ("indexes added", {"db/index"}, False),
    ("migration numbers", {"db/order"}, False),
    # any of the words
    ("zebra unicorn", {"ops/animal"}, True),
    ("argon2 bcrypt", {"auth/hash"}, True),
    ("zebra_unicorn", {"ops/animal"}, True),
    ("Redisクラスタ", {"cache/jp"}, True),
    # nothing
    ("kubernetes", set(), False),
]


@pytest.fixture
def team(bus: LocalBus) -> LocalBus:
    bus.sessions.register("alice", "alice's agent", "claude-code")
    with bus.transaction():
        for key, value in MEMORY.items():
            bus.memory.set("alice", key, value)
    return bus


def test_there_are_forty_queries() -> None:
    assert len({query for query, _, _ in ANSWERS}) == len(ANSWERS) == 40


@pytest.mark.promise("R2")
@pytest.mark.parametrize(("query", "keys", "is_loose"), ANSWERS, ids=[query for query, _, _ in ANSWERS])
def test_a_query_finds_what_it_should(team: LocalBus, query: str, keys: set[str], is_loose: bool) -> None:
    found = team.memory.find(query)
    assert {each.key for each in found} == keys
    assert {each.is_loose for each in found} <= {is_loose}


# -- more of the same kinds -------------------------------------------------------------------------------------------

# A text; a query that finds it by another form of a word.
NEAR_FORMS: list[tuple[str, str]] = [
    ("the dnsmasq service", "dns"),
    ("an aws-cli profile", "aws"),
    ("tlsv1 is off", "tls"),
    ("the id of a row", "ids"),
    ("a movie", "movies"),
    ("we use it", "uses"),
    ("one case", "cases"),
    ("one class", "classes"),
    ("it runs", "running"),
    ("die Größen", "Größe"),
    ("die Gro\u0308ßen", "Größe"),
    ("die Größen", "Gro\u0308ße"),
    ("зелёные деревья", "зелёны"),
    ("die Migrationen", "Migration"),
    ("три миграции", "миграц"),
    ("MAX_RETRIES", "maxRetry"),
    ("see app.settings.py", "appSettings"),
]

# A text; a query that finds it as it is typed, with other accents or signs.
SPELLINGS: list[tuple[str, str]] = [
    ("зелёная ёлка", "зеленая елка"),
    ("мой дом", "мой"),
    ("Άλφα και βήτα", "ΑΛΦΑ"),
    ("café", "cafe\u0301"),
    ("cafe\u0301を使う", "café"),
    ("done🙄", "done"),
    ("🫠done", "done"),
    ("İstanbul", "istanbul"),
    ("Ꭰꮳ", "ꭰꮳ"),
    ("ガーデン", "カ\u3099ーデン"),
    ("한국어", "\u1112\u1161\u11ab국어"),
    ("don’t stop", "don't"),
    ("„Anführung“", '"Anführung"'),
    ("x¹", "x¹"),
    ("die Straße", "STRASSE"),
    ("η οδός", "ΟΔΟΣ"),
    ("ſet", "set"),
]

# A text; a query of which it has a part, in languages without spaces between words.
PARTS: list[tuple[str, str]] = [
    ("缓存使用集群", "数据库缓存"),
    ("サービスはキャッシュを使う", "キャッシュサーバー"),
    ("캐시는 빠르다", "캐시서버"),
    ("缓存", "缓存 数据库"),
    ("Redis", "Redis集群"),
    ("Größe", "Größe unbekannt"),
    ("миграция", "миграция нигде"),
    ("the token", '"token" "nowhere"'),
    ("the token", "«token» „nirgends“"),
]


def found_in(bus: LocalBus, text: str, query: str) -> list[tuple[str, bool]]:
    """What a query finds where the entry `k` has this text and another entry has other words: keys, and `is_loose`."""
    bus.memory.set("alice", "k", text)
    bus.memory.set("alice", "other", "nothing of the kind 其他")
    return [(each.key, each.is_loose) for each in bus.memory.find(query)]


@pytest.mark.promise("R2")
@pytest.mark.parametrize(("text", "query"), NEAR_FORMS)
def test_another_form_of_a_word_is_found(bus: LocalBus, text: str, query: str) -> None:
    assert found_in(bus, text, query) == [("k", False)]


@pytest.mark.promise("R2")
@pytest.mark.parametrize(("text", "query"), SPELLINGS)
def test_accents_and_signs_make_no_difference(bus: LocalBus, text: str, query: str) -> None:
    bus.memory.set("alice", "k", text)
    bus.memory.set("alice", "other", "nothing of the kind")
    (found,) = bus.memory.find(query)
    assert found.key == "k"
    assert not found.cursor.startswith((search.NEAR, search.ANY))


@pytest.mark.promise("R2")
@pytest.mark.parametrize("query", ["w17999", "last_flag", "lastFlag", "flag last", "redis", "使う", "w16999_w17000"])
def test_what_stands_far_back_in_a_long_text_is_found(bus: LocalBus, query: str) -> None:
    words = [f"w{number}" for number in range(18_000)]
    text = " ".join([*words, "flag " * 300, "last_flag", "Redisを使う"])
    assert found_in(bus, text, query) == [("k", False)]


@pytest.mark.promise("R2")
@pytest.mark.parametrize(("text", "query"), PARTS)
def test_an_entry_with_some_of_the_words_is_found_and_marked(bus: LocalBus, text: str, query: str) -> None:
    assert found_in(bus, text, query) == [("k", True)]


@pytest.mark.promise("R2")
def test_a_fallback_is_taken_only_where_the_words_as_typed_find_nothing(bus: LocalBus) -> None:
    bus.memory.set("alice", "one", "a migration")
    bus.memory.set("alice", "many", "some migrations and a zebra")
    assert [each.key for each in bus.memory.find("migration")] == ["one"]
    assert [each.key for each in bus.memory.find("migration zebra")] == ["many"]
    assert [each.key for each in bus.memory.find("migration zebra", type="fact")] == []


@pytest.mark.promise("R2")
def test_among_near_forms_the_word_as_typed_ranks_first(bus: LocalBus) -> None:
    bus.memory.set("alice", "typed", "caches of a zebra")
    bus.memory.set("alice", "near", "caching of a zebra")
    assert [each.key for each in bus.memory.find("caches zebras")] == ["typed", "near"]


@pytest.mark.promise("R2")
@pytest.mark.parametrize("query", ["tokens", "tokens nowhere", "token nowhere"])
def test_every_step_of_a_search_is_paged(bus: LocalBus, query: str) -> None:
    for number in range(9):
        bus.memory.set("alice", f"k{number}", "token " * (number % 3 + 1))
    pages, after = [], None
    while page := bus.memory.find(query, limit=2, after=after):
        pages += page
        after = page[-1].cursor
    assert [each.key for each in pages] == [each.key for each in bus.memory.find(query)]
    assert len(pages) == 9


@pytest.mark.promise("R2")
def test_a_page_after_a_fallback_goes_on_with_it_when_a_better_entry_was_written(bus: LocalBus) -> None:
    for number in range(4):
        bus.memory.set("alice", f"k{number}", "token")
    (first,) = bus.memory.find("tokens", limit=1)
    bus.memory.set("alice", "exact", "tokens")
    assert {each.key for each in bus.memory.find("tokens", after=first.cursor)} <= {"k0", "k1", "k2", "k3"}


@pytest.mark.promise("R2")
@pytest.mark.parametrize("query", ["token", "tokens", "nowhere", "token nowhere", "..."])
@pytest.mark.parametrize("cursor", ["x", "^x", "~x", "~~1:1", "^~1:1", "^nan:1", "~1"])
def test_a_cursor_that_no_page_gave_is_an_error_whatever_the_query(bus: LocalBus, query: str, cursor: str) -> None:
    bus.memory.set("alice", "k", "token")
    with pytest.raises(errors.InvalidInput):
        bus.memory.find(query, after=cursor)


@pytest.mark.promise("P2")
def test_words_of_other_projects_change_nothing_for_a_caller_who_does_not_see_them(bus: LocalBus) -> None:
    bus.memory.set("alice", "k", "a migration and a token")

    bus.sessions.register("bob", "bob's agent", "codex", project="github.com/acme/other")

    def answers() -> list[Any]:
        bus.principal = Principal("carol", "agent", [Here.project])
        try:
            return [bus.memory.find(query, project=Here.project) for query in ("migrations", "migrations nowhere")]
        finally:
            bus.principal = None

    before = answers()
    for number in range(20):
        bus.memory.set("bob", f"k{number}", "migrations nowhere")
    assert answers() == before
    assert [len(found) for found in before] == [1, 1]


# -- both stores ------------------------------------------------------------------------------------------------------

PIECES = (
    "token tokens user_id userId HTTPServer api/auth.py cache caching migrations Größe größen Gro\u0308ße Straße café "
    "зелёный зеленый мой ёлка Привет ΑΛΦΑ άλφα οδός 缓存 缓存集群 Redis Redisを使う セッションバス カ\u3099 캐시서버 "
    'हिन्दी עברית العربية ไทย İstanbul x² don\'t "quoted" „Wort“ «слово» 「引用」 a s is ids 3.14 foo-bar foo_bar '
    "fooBar done🙄 🫠 zero\u200bwidth nbsp\xa0x ſ ŉ ǅ Å Ꭰ 𝐱 𐐀 ｆｕｌｌ ー 々 ㍿ 豈"
)


@pytest.mark.promise("R2")
def test_every_query_finds_the_same_entries_by_the_same_step_on_both_stores(tmp_path: Path) -> None:
    dice = random.Random(7)

    def words(count: int) -> str:
        return " ".join(dice.choice(PIECES.split(" ")) + dice.choice(["", "", ",", "s", "*"]) for _ in range(count))

    texts = {f"k{number}": words(dice.randint(1, 8)) for number in range(50)}
    queries = [words(dice.choice([1, 1, 2, 3, 5])) for _ in range(150)]
    queries += [query[dice.randrange(len(query)) :] for query in queries]
    answers = []
    for store in STORES:
        address = new_address(store, tmp_path / store)
        try:
            with open_store(address) as bus:
                for key, text in texts.items():
                    bus.memory.set("alice", key, text)
                found = {query: bus.memory.find(query, limit=100) for query in queries}
        finally:
            forget(address)
        answers.append({query: {(each.key, each.cursor[:1] in "^~") for each in found[query]} for query in queries})
    assert answers[0] == answers[1]
    assert {is_near for found in answers[0].values() for _, is_near in found} == {False, True}


# -- what is shown ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text", "line"),
    [
        ("argon2", "hashed with argon2id", "hashed with **argon2id**"),
        ("migrations", "a migration here", "a **migration** here"),
        ("ids", "user_id", "user_**id**"),
        ("loginForms", "the LoginForm", "the **LoginForm**"),
        ("キャッシュ", "ャッシュ", "**ャッシュ**"),
        ("to", "tomorrow", "tomorrow"),
        ("cafe", "das Café hier", "das **Café** hier"),
        ("зеленая", "зелёная ёлка", "**зелёная** ёлка"),
        ("STRASSE", "die Straße", "die **Straße**"),
    ],
)
def test_the_excerpt_of_a_fallback_marks_the_other_forms(query: str, text: str, line: str) -> None:
    assert Excerpts(query, is_near=True).of(text) == line


# -- what it costs ----------------------------------------------------------------------------------------------------

LONG = [
    " ".join(f"userAbsent{number}s" for number in range(55)),
    " ".join(f"absents{number}" for number in range(90)),
    " ".join(f"absentWords{number}" for number in range(60)),
    " ".join(f"a.b{number}" for number in range(140)),
    "aB" * 500,
    "a" * 1000,
    "日本" * 500,
    " ".join(["tokens"] * 140),
    "tokens " + " ".join(f"w{number}" for number in range(190)),
]


@pytest.mark.promise("R2")
@pytest.mark.parametrize("query", LONG, ids=[query[:12] for query in LONG])
def test_the_statements_of_a_search_have_a_bound_in_number_and_in_rows(
    bus: LocalBus, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus.memory.set("alice", "k", "a token user a b " + " ".join(f"absent{number}" for number in range(55)))
    run: list[tuple[str, dict[str, Any]]] = []
    rows = bus.store.rows

    def watch(statement: str, **parameters: Any) -> Any:
        run.append((statement, parameters))
        return rows(statement, **parameters)

    monkeypatch.setattr(bus.store, "rows", watch)
    bus.memory.find(query)
    searches = [parameters for statement, parameters in run if statement == "memory.by_relevance"]
    counts = [parameters for statement, parameters in run if statement.startswith("memory.count_")]
    assert len(searches) <= 3
    assert 0 < len(counts) <= 6 * MAX_WORDS
    assert all(each["candidates"] == search.CANDIDATES for each in searches)
    assert all(each["most"] == MAX_COUNT for each in counts)
    prefixes = [len(re.findall(r"[\w\"']:?\*", each["match"])) for each in searches + counts if "match" in each]
    assert max(prefixes) <= search.MAX_NEAR_PHRASES


@pytest.mark.promise("R2")
def test_the_rarest_words_have_near_forms_where_those_of_all_words_would_be_too_many(
    bus: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        bus.memory.set("alice", f"k{number}", "the batch")
    bus.memory.set("alice", "k", "some batches of zebras")
    assert [(each.key, each.is_loose) for each in bus.memory.find("batch zebra")] == [("k", False)]
    monkeypatch.setattr(search, "MAX_NEAR_PHRASES", 1)
    assert {each.is_loose for each in bus.memory.find("batch zebra")} == {True}
    assert [each.key for each in bus.memory.find("some zebra")] == ["k"]
