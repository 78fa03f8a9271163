"""ClaimRegistry keeps C1, on every store."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock
from hallway.core.model import Claim
from hallway.services import claims
from support import all_events, kinds, until

NAMES = ("alice", "bob", "carol")


@pytest.fixture
def shop(bus: LocalBus) -> LocalBus:
    """A bus with three sessions in one project."""
    for name in NAMES:
        bus.sessions.register(name, f"{name}'s agent", "claude-code", ttl_s=3600, name=f"{name}-works")
    return bus


def claim(bus: LocalBus, session_id: str, *paths: str, **options: object) -> Claim:
    result: Claim = bus.claims.claim(session_id, list(paths), **options)
    return result


@pytest.mark.promise("C1")
def test_a_claim_is_granted_and_a_refusal_names_every_holder(shop: LocalBus) -> None:
    api = claim(shop, "alice", "src/api/**", intent="new handlers", ttl_s=600)
    docs = claim(shop, "bob", "docs/*.md", intent="the tutorial")
    assert (api.state, api.mode, api.paths, api.intent) == ("granted", "exclusive", ["src/api/**"], "new handlers")
    with pytest.raises(errors.ClaimRefused) as refused:
        claim(shop, "carol", "**/*.md", "src/api/users.py", "README.md")
    holders = refused.value.details["holders"]
    assert [(each["session_id"], each["intent"]) for each in holders] == [
        ("alice", "new handlers"),
        ("bob", "the tutorial"),
    ]
    assert [each["expires_at"] for each in holders] == [api.expires_at, docs.expires_at]
    assert [each["name"] for each in holders] == ["alice-works", "bob-works"]
    assert f"alice-works holds src/api/** for 'new handlers' since {api.granted_at:%H:%M} UTC" in str(refused.value)


@pytest.mark.promise("C1")
def test_a_refused_claim_leaves_nothing_claimed(shop: LocalBus) -> None:
    claim(shop, "alice", "a.py")
    with pytest.raises(errors.ClaimRefused):
        claim(shop, "bob", "a.py", "b.py", intent="both")
    assert claim(shop, "carol", "b.py").state == "granted"
    refused = [each for each in all_events(shop) if each.kind == "claim.refused"]
    assert [(each.session_id, each.data["paths"], each.data["held_by"]) for each in refused] == [
        ("bob", ["a.py", "b.py"], ["alice"])
    ]


def test_overlap_is_of_globs_and_not_of_their_beginnings(shop: LocalBus) -> None:
    claim(shop, "alice", "src/**/test_*.py")
    assert claim(shop, "bob", "src/**/check_*.py").state == "granted"
    with pytest.raises(errors.ClaimRefused):
        claim(shop, "carol", "src/api/test_users.py")


def test_shared_claims_are_beside_each_other_and_not_beside_an_exclusive_one(shop: LocalBus) -> None:
    claim(shop, "alice", "docs/**", mode="shared")
    assert claim(shop, "bob", "docs/a.md", mode="shared").state == "granted"
    with pytest.raises(errors.ClaimRefused) as refused:
        claim(shop, "carol", "docs/a.md")
    assert len(refused.value.details["holders"]) == 2


def test_own_claims_are_in_nobodys_way(shop: LocalBus) -> None:
    claim(shop, "alice", "src/**")
    assert claim(shop, "alice", "src/a.py", mode="shared").state == "granted"


def test_claiming_again_renews(shop: LocalBus, clock: FakeClock) -> None:
    first = claim(shop, "alice", "src/**", "docs/", intent="both")
    clock.advance(600)
    again = claim(shop, "alice", "docs/**", "./src/**")
    assert (again.claim_id, again.fence, again.intent) == (first.claim_id, first.fence, "both")
    assert (again.expires_at - first.expires_at).total_seconds() == 600
    renewed = shop.claims.renew("alice", first.claim_id, ttl_s=7200)
    assert renewed.expires_at > again.expires_at
    assert kinds(shop).count("claim.granted") == 1


def test_resources_are_names(shop: LocalBus) -> None:
    claim(shop, "alice", "resource:staging", "resource:port-3000")
    assert claim(shop, "bob", "**").state == "granted"
    assert claim(shop, "bob", "resource:staging-2").state == "granted"
    with pytest.raises(errors.ClaimRefused):
        claim(shop, "carol", "resource:staging")


def test_another_project_is_another_tree(shop: LocalBus) -> None:
    shop.sessions.register("dora", "Dora", "codex", project="github.com/acme/site")
    claim(shop, "alice", "src/**")
    assert claim(shop, "dora", "src/**").state == "granted"
    assert [each.session_id for each in shop.claims.list_claims(project="github.com/acme/site")] == ["dora"]


def test_case_counts_unless_the_claimant_says_that_it_does_not(shop: LocalBus) -> None:
    claim(shop, "alice", "src/Api.py")
    assert claim(shop, "bob", "src/api.py").state == "granted"
    with pytest.raises(errors.ClaimRefused):
        claim(shop, "carol", "SRC/API.py", ignores_case=True)


def test_paths_are_kept_in_one_form(shop: LocalBus) -> None:
    claim(shop, "alice", "docs/cafe\u0301.md")
    with pytest.raises(errors.ClaimRefused):
        claim(shop, "bob", "./docs//caf\u00e9.md")


@pytest.mark.parametrize("wrong", ["/etc/passwd", "../x", "src/[a", "resource:", "resource: ", "{a,b}" * 9])
def test_what_names_no_path_of_the_repository_is_refused(shop: LocalBus, wrong: str) -> None:
    with pytest.raises(errors.InvalidInput):
        claim(shop, "alice", "ok.py", wrong)
    assert shop.claims.list_claims() == []


def test_the_holders_of_many_paths_are_found_as_their_claims_would_be_refused(shop: LocalBus) -> None:
    project = shop.sessions.get("alice").project
    claim(shop, "alice", "src/api/**", "README.md")
    claim(shop, "bob", "docs/*.md", mode="shared")
    claim(shop, "bob", "resource:src", "tests/**/test_*.py")
    claim(shop, "carol", "lib/deep/**")
    claim(shop, "carol", "src/api/waits.py", queue_s=60)
    free = ["src/api", "src/apix.py", "docs/a.md", "x/test_b.py"]
    files = ["src/api/a.py", *free, "README.md", "tests/test_a.py", "lib/**", "tests/x/test_b.py"]
    held = shop.claims.find_holders(files, {"carol"}, project=project)
    assert {file: each.session_id for file, each in held.items()} == {
        "src/api/a.py": "alice",
        "README.md": "alice",
        "tests/test_a.py": "bob",
        "tests/x/test_b.py": "bob",
    }
    assert list(shop.claims.find_holders(files, {"alice", "bob"}, project=project)) == ["lib/**"]
    assert list(shop.claims.find_holders(["readme.md"], set(), project=project, ignores_case=True)) == ["readme.md"]
    assert shop.claims.find_holders(["readme.md", "README.md"], set(), project="github.com/acme/site") == {}


def test_the_holders_of_paths_are_found_among_pages_of_claims(shop: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hallway.services.claims.PAGE", 3)
    for number in range(7):
        claim(shop, "alice", f"src/{number}.py")
    files = [f"src/{number}.py" for number in range(9)]
    held = shop.claims.find_holders(files, set(), project=shop.sessions.get("alice").project)
    assert sorted(held) == files[:7]


def test_a_claim_is_compared_with_those_alone_that_begin_and_end_alike_and_lie_as_deep(
    shop: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many claims there are, a glob with the same beginning as all of them costs little."""
    for number in range(20):
        claim(shop, "alice", f"src/{number}/*.py", f"src/{number}/**/x.md", f"src/a/b/{number}.md", "resource:src")
    compared: list[str] = []
    overlap = claims._overlap
    monkeypatch.setattr(
        claims, "_overlap", lambda one, two, ignores_case: compared.append(two) or overlap(one, two, ignores_case)
    )
    assert claim(shop, "bob", "src/*.md").state == "granted"
    assert compared == []
    assert claim(shop, "bob", "src/??/*.md", queue_s=60).state == "waiting"
    assert set(compared) == {f"src/{number}/**/x.md" for number in range(20)}
    with pytest.raises(errors.ClaimRefused):
        claim(shop, "carol", "src/a/**")


# -- how a claim ends -------------------------------------------------------------------------------------------------


def test_a_released_claim_is_free(shop: LocalBus) -> None:
    first = claim(shop, "alice", "src/**")
    assert shop.claims.release("alice", first.claim_id) is True
    assert shop.claims.release("alice", first.claim_id) is False
    assert claim(shop, "bob", "src/**").state == "granted"
    assert [each.kind for each in all_events(shop) if each.kind.startswith("claim.")] == [
        "claim.granted",
        "claim.released",
        "claim.granted",
    ]


def test_only_a_person_ends_anothers_claim(shop: LocalBus) -> None:
    first = claim(shop, "alice", "src/**")
    for who, force in (("bob", False), ("bob", True), ("user:carol", False)):
        with pytest.raises(errors.Refused):
            shop.claims.release(who, first.claim_id, force=force)
    with pytest.raises(errors.Refused):
        shop.claims.renew("bob", first.claim_id)
    assert shop.claims.release("user:carol", first.claim_id, force=True)


def test_a_claim_ends_by_time_with_one_event(shop: LocalBus, clock: FakeClock) -> None:
    first = claim(shop, "alice", "src/**", ttl_s=60)
    clock.advance(59.9)
    with pytest.raises(errors.ClaimRefused):
        claim(shop, "bob", "src/**")
    clock.advance(0.1)
    assert shop.claims.list_claims() == []
    with pytest.raises(errors.ClaimNotFound):
        shop.claims.get(first.claim_id)
    assert claim(shop, "bob", "src/**").state == "granted"
    assert kinds(shop).count("claim.expired") == 1


def test_a_clock_that_is_set_back_prolongs_no_lease(shop: LocalBus, clock: FakeClock) -> None:
    claim(shop, "alice", "src/**", ttl_s=60)
    clock.advance(-7200)
    shop.sessions.heartbeat("alice")
    clock.advance(60)
    assert claim(shop, "bob", "src/**").state == "granted"


def test_a_claim_ends_with_its_session(shop: LocalBus, clock: FakeClock) -> None:
    claim(shop, "alice", "src/**")
    shop.sessions.end("alice")
    second = claim(shop, "bob", "src/**", ttl_s=7200)
    clock.advance(3601)  # bob expires
    shop.sessions.register("carol", "Carol", "codex")
    third = claim(shop, "carol", "src/**")
    assert third.fence > second.fence


def test_a_successor_has_the_claims(shop: LocalBus) -> None:
    first = claim(shop, "alice", "src/**")
    shop.sessions.register("alice-2", "Alice", "claude-code")
    shop.sessions.succeed("alice-2", "alice")
    assert shop.claims.get(first.claim_id).session_id == "alice-2"


def test_a_claim_for_a_task_goes_along_when_the_task_is_handed_over(shop: LocalBus) -> None:
    task = shop.tasks.offer("bob", "alice", "new handlers")
    shop.tasks.accept("alice", task.task_id)
    along, other = claim(shop, "alice", "src/**", task_id=task.task_id), claim(shop, "alice", "docs/**")
    shop.tasks.handoff("alice", task.task_id, "carol", "please go on")
    assert shop.claims.get(along.claim_id).session_id == "alice"
    shop.tasks.accept("carol", task.task_id)
    assert shop.claims.get(along.claim_id).session_id == "carol"
    assert shop.claims.get(other.claim_id).session_id == "alice"


def test_a_claim_is_of_the_project_that_its_session_leaves(shop: LocalBus) -> None:
    claim(shop, "alice", "src/**")
    shop.sessions.heartbeat("alice", project="github.com/acme/site", move=True)
    assert shop.claims.list_claims() == []


def test_claims_end_when_their_project_gets_another_name(shop: LocalBus) -> None:
    """Under the new name somebody else may hold the same paths."""
    claim(shop, "alice", "src/**")
    claim(shop, "bob", "src/**", queue_s=60)
    shop.projects.move(shop.sessions.get("alice").project, "github.com/acme/site", dry_run=True)
    assert len(shop.claims.list_claims()) == 2
    shop.projects.move(shop.sessions.get("alice").project, "github.com/acme/site")
    assert shop.claims.list_claims() == []


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_who_waits_gets_it_in_the_order_of_asking(shop: LocalBus) -> None:
    first = claim(shop, "alice", "src/**")
    bob = claim(shop, "bob", "src/a.py", queue_s=60)
    carol = claim(shop, "carol", "src/**", queue_s=60)
    assert (bob.state, carol.state) == ("waiting", "waiting")
    shop.claims.release("alice", first.claim_id)
    assert shop.claims.get(bob.claim_id).state == "granted"
    assert shop.claims.get(carol.claim_id).state == "waiting"
    shop.claims.release("bob", bob.claim_id)
    assert shop.claims.get(carol.claim_id).state == "granted"


def test_nobody_overtakes_who_waits(shop: LocalBus) -> None:
    """A stream of shared claims would starve the exclusive one that waits."""
    first = claim(shop, "alice", "src/**", mode="shared")
    waiting = claim(shop, "bob", "src/a.py", queue_s=60)
    with pytest.raises(errors.ClaimRefused) as refused:
        claim(shop, "carol", "src/**", mode="shared")
    assert [each["state"] for each in refused.value.details["holders"]] == ["waiting"]
    shop.claims.release("alice", first.claim_id)
    assert shop.claims.get(waiting.claim_id).state == "granted"


def test_waiting_ends_by_time_and_lets_the_next_one_go_on(shop: LocalBus, clock: FakeClock) -> None:
    claim(shop, "alice", "src/**", mode="shared")
    claim(shop, "bob", "src/**", queue_s=10)
    carol = claim(shop, "carol", "src/**", mode="shared", queue_s=60)
    clock.advance(10)
    assert shop.claims.list_claims(state="waiting") == []
    assert shop.claims.get(carol.claim_id).state == "granted"


def test_a_lease_begins_with_the_grant(shop: LocalBus, clock: FakeClock) -> None:
    first = claim(shop, "alice", "src/**", ttl_s=3000)
    bob = claim(shop, "bob", "src/**", queue_s=600, ttl_s=100)
    clock.advance(500)
    shop.claims.release("alice", first.claim_id)
    granted = shop.claims.get(bob.claim_id)
    assert (granted.expires_at - granted.granted_at).total_seconds() == 100


def test_a_release_wakes_who_waits(open_bus: Callable[[], LocalBus]) -> None:
    bus, other = open_bus(), open_bus()
    for name in NAMES:
        bus.sessions.register(name, name, "codex")
    first = claim(bus, "alice", "src/**")
    found: list[Claim] = []
    waits = threading.Thread(
        target=lambda: found.append(other.claims.claim_when_free("bob", ["src/a.py"], "mine", wait_s=60))
    )
    waits.start()
    until(lambda: [each.state for each in bus.claims.list_claims(session_id="bob")] == ["waiting"])
    bus.claims.release("alice", first.claim_id)
    waits.join(60)
    assert [(each.state, each.paths) for each in found] == [("granted", ["src/a.py"])]


def test_waiting_in_vain_is_a_refusal_that_leaves_no_place_in_the_queue(shop: LocalBus) -> None:
    claim(shop, "alice", "src/**")
    with pytest.raises(errors.ClaimRefused):
        shop.claims.claim_when_free("bob", ["src/a.py"], wait_s=0)
    assert "claim.refused" in kinds(shop)
    assert [each.session_id for each in shop.claims.list_claims()] == ["alice"]


def test_who_waits_is_granted_when_the_lease_runs_out(open_bus: Callable[[], LocalBus], clock: FakeClock) -> None:
    bus, other = open_bus(), open_bus()
    for name in NAMES:
        bus.sessions.register(name, name, "codex")
    claim(bus, "alice", "src/**", ttl_s=30)
    found: list[Claim] = []
    waits = threading.Thread(target=lambda: found.append(other.claims.claim_when_free("bob", ["src/**"], wait_s=60)))
    waits.start()
    until(lambda: [each.state for each in bus.claims.list_claims(session_id="bob")] == ["waiting"])
    clock.advance(31)
    waits.join(60)
    assert [each.state for each in found] == ["granted"]


def test_a_person_claims_too(shop: LocalBus) -> None:
    mine = claim(shop, "user:dora", "src/**", project="github.com/acme/shop")
    with pytest.raises(errors.ClaimRefused):
        claim(shop, "alice", "src/a.py", project="github.com/acme/shop")
    assert shop.claims.release("user:dora", mine.claim_id)
    with pytest.raises(errors.SessionElsewhere):
        claim(shop, "alice", "src/a.py", project="github.com/acme/site")


# -- numbers ----------------------------------------------------------------------------------------------------------


def test_fencing_numbers_only_rise_over_restarts_and_connections(open_bus: Callable[[], LocalBus]) -> None:
    fences = []
    for number in range(6):
        bus = open_bus()
        bus.sessions.register(f"s{number}", "Agent", "codex")
        one = claim(bus, f"s{number}", "src/**")
        fences.append(one.fence)
        bus.claims.release(f"s{number}", one.claim_id)
    assert fences == sorted(set(fences))


def test_a_session_has_a_bounded_number_of_claims(shop: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hallway.services.claims.MAX_CLAIMS", 3)
    for number in range(3):
        claim(shop, "alice", f"src/{number}.py")
    with pytest.raises(errors.InvalidInput, match="3 claims"):
        claim(shop, "alice", "src/4.py")


def test_pages(shop: LocalBus, clock: FakeClock) -> None:
    ids = []
    for number in range(5):
        ids.append(claim(shop, "alice", f"src/{number}.py").claim_id)
        clock.advance(1)
    page = shop.claims.list_claims(limit=2)
    rest = shop.claims.list_claims(after_id=page[-1].claim_id)
    assert [each.claim_id for each in page + rest] == ids


# -- edits ------------------------------------------------------------------------------------------------------------


def in_the_way(bus: LocalBus, session_id: str, *files: str, **options: bool) -> list[str]:
    """The sessions whose claims forbid an edit."""
    check = bus.claims.check_edit(session_id, list(files), **options)
    assert check.is_claimed or not check.claims
    return [each.session_id for each in check.claims]


def test_an_edit_is_forbidden_by_what_another_session_holds_exclusively(shop: LocalBus) -> None:
    claim(shop, "alice", "src/api/**", "docs/*.md")
    assert in_the_way(shop, "bob", "src/api/users.py") == ["alice"]
    assert in_the_way(shop, "bob", "README.md", "docs/a.md") == ["alice"]  # one of several is enough
    assert in_the_way(shop, "bob", "src/**") == ["alice"]  # a folder that is removed
    assert in_the_way(shop, "bob", "src/web.py") == []
    assert in_the_way(shop, "alice", "src/api/users.py") == []


def test_a_shared_claim_forbids_nobodys_edit_and_one_that_waits_neither(shop: LocalBus) -> None:
    claim(shop, "alice", "docs/**", mode="shared")
    claim(shop, "carol", "docs/**", queue_s=60)
    assert in_the_way(shop, "bob", "docs/a.md") == []
    assert not shop.claims.check_edit("bob", []).is_claimed
    shop.claims.release("alice", shop.claims.list_claims(session_id="alice")[0].claim_id)
    assert in_the_way(shop, "bob", "docs/a.md") == ["carol"]


def test_a_claim_that_has_ended_forbids_nothing(shop: LocalBus, clock: FakeClock) -> None:
    claim(shop, "alice", "a.py", ttl_s=60)
    claim(shop, "carol", "b.py")
    shop.sessions.end("carol")
    clock.advance(61)
    assert in_the_way(shop, "bob", "a.py", "b.py") == []
    assert not shop.claims.check_edit("bob", ["a.py"]).is_claimed


def test_what_a_person_claims_forbids_edits_too(shop: LocalBus) -> None:
    shop.claims.claim("user:dora", ["**"], "I clean up by hand")
    assert in_the_way(shop, "bob", "a.py") == ["user:dora"]


def test_claims_of_resources_and_of_other_projects_make_no_check_necessary(shop: LocalBus) -> None:
    shop.sessions.register("dora", "Dora", "codex", project="github.com/acme/site")
    claim(shop, "dora", "**")
    claim(shop, "alice", "resource:staging")
    assert not shop.claims.check_edit("bob", ["a.py"]).is_claimed
    claim(shop, "alice", "b.py")
    check = shop.claims.check_edit("bob", ["a.py"])
    assert (check.is_claimed, check.claims) == (True, [])


def test_names_of_files_are_compared_as_the_file_system_does(shop: LocalBus) -> None:
    claim(shop, "alice", "docs/caf\u00e9.md", "src/Api.py")
    assert in_the_way(shop, "bob", "docs/cafe\u0301.md") == ["alice"]
    assert in_the_way(shop, "bob", "src/api.py") == []
    assert in_the_way(shop, "bob", "src/api.py", ignores_case=True) == ["alice"]
    assert in_the_way(shop, "bob", "x" * 200 + "/" + "y" * 200) == []  # longer than any claim may be


def test_a_long_wait_ends_with_a_message_from_who_held_the_paths(shop: LocalBus) -> None:
    held = claim(shop, "alice", "src/**")
    claim(shop, "bob", "src/a.py", queue_s=600, notify=True, intent="the cart")
    claim(shop, "carol", "src/b.py", queue_s=600)
    shop.claims.release("alice", held.claim_id)
    [told] = shop.messages.inbox("bob")
    assert (told.type, told.from_session, told.data["paths"]) == ("notification", "alice", ["src/a.py"])
    assert told.subject.startswith("Yours until ")
    assert shop.messages.inbox("carol") == []
    assert shop.wakes.start("bob").messages[0].message_id == told.message_id  # it is worth a turn of an idle session
