"""The Textual program of `hallway top`: it shows what the feed has read, and turns keys and clicks into acts.

Nothing here decides what needs a person or what is allowed. Nothing here waits for the bus either: the feed reads it in
a thread of its own. The selection follows its record wherever an update moves it. If the selected record is gone,
nothing is selected for a moment, so that no key acts on another record than the one the person saw.
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App
from textual.containers import Container, Vertical
from textual.message import Message

from hallway.cli.overview import APART
from hallway.cli.run import bus_in_use
from hallway.cli.terminal import Terminal, cell_width, cut, wrap
from hallway.cli.top.acts import ACTS, ANSWER, DISMISS, Situation, acts_in, restore
from hallway.cli.top.details import Detail, detail_lines
from hallway.cli.top.feed import BusFeed, Reading
from hallway.cli.top.lines import LineList
from hallway.cli.top.views import VIEWS, matching
from hallway.core.errors import HallwayError, ProjectNeeded
from hallway.core.model import PERSON
from hallway.text.sanitize import sanitize

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.events import Key, Resize

    from hallway.bus.base import Bus
    from hallway.cli.top.acts import Question
    from hallway.cli.top.entry_form import EntryForm

WIDE = 120  # cells of a screen that shows the details beside the list
GRACE_S = 2.0  # how long nothing is selected after the selected record has gone
REVERSE, RESET = "\x1b[7m", "\x1b[0m"
HELP = """
Move      j k or arrows · g G first, last · ctrl-d ctrl-u half a page · 1 to 6, tab: another list
Open      enter: the whole record · esc: back to the list · in a record, j and k scroll
Filter    / words, enter · esc: all again · in Memory, / searches · p: another project's memory
Undo      u puts the item back that was dismissed last
In a form enter sends · ctrl-j begins a line · tab: next field · esc keeps the text: the same key brings it back
Mouse     click selects, a second click opens, the wheel scrolls
Screen    ctrl-l draws it again · q ends
"""


class Fresh(Message):
    """The feed has read something, or cannot read."""

    def __init__(self, reading: Reading | HallwayError) -> None:
        self.reading = reading
        super().__init__()


class Crashed(Message):
    """A fault in one of the feed's threads."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__()


class Performed(Message):
    """An act has ended, with what to tell the person, or an error."""

    def __init__(self, question: Question, lines: list[str], error: HallwayError | None = None) -> None:
        self.question = question
        self.lines = lines
        self.error = error
        super().__init__()


class TopProgram(App[None]):
    """The screen of `hallway top`."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
    BINDINGS: ClassVar[list[BindingType]] = [("ctrl+c", "leave"), ("ctrl+q", "leave")]
    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    #state, #tabs, #heading, #keys { height: 1; overflow: hidden; }
    #main { height: 1fr; layout: vertical; }
    #left { height: 1fr; }
    #list { height: 1fr; }
    #detail { height: 1fr; border-top: solid ansi_bright_black; }
    .-wide #main { layout: horizontal; }
    .-wide #left { width: 11fr; }
    .-wide #detail { width: 9fr; border-top: none; border-left: solid ansi_bright_black; padding-left: 1; }
    .-zoomed #left { display: none; }
    .-zoomed #detail { border: none; padding: 0; }
    """

    def __init__(self, bus: Bus, url: str | None = None) -> None:
        super().__init__(ansi_color=True)
        self.set_reactive(App.theme, "ansi-dark")
        self.animation_level = "none"
        self.feed = BusFeed(bus, self._receive, self._receive_crash)
        self._bus = bus
        self._address = bus_in_use(url).rpartition(" (")[0]
        identity = bus.tokens.whoami()
        self._person = f"{PERSON}{identity.name or bus.here.user or 'owner'}"
        self.feed.project = _project_of(bus)
        self._view = VIEWS[0]
        self._lists: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self._detail: Detail | None = None
        self._read_at_s = 0.0
        self._lost: HallwayError | None = None
        self._records: list[Any] = []  # those of the view, as they are on the screen
        self._chosen: dict[str, tuple[str, int]] = {}  # by view: the key of the selected record, and its place
        self._record: Any = None
        self._is_gone_since: float | None = None  # the selected record is gone
        self._done_with: set[str] = set()  # keys of records that the person's own act takes off a list
        self._words: dict[str, str] = {}  # by view: what its list is filtered by
        self._is_filtering = False
        self._is_helping = False
        self._note = ""
        self._drafts: dict[tuple[str, str], dict[str, str]] = {}
        self._dismissed: list[str] = []
        self._has_warned = False
        self._form: EntryForm | None = None

    def run_until_closed(self) -> int:
        """Run until the person ends it; return the exit status."""
        self.run()
        return self.return_code or 0

    def compose(self) -> ComposeResult:
        yield LineList("state")
        yield LineList("tabs")
        with Container(id="main"):
            with Vertical(id="left"):
                yield LineList("heading")
                yield LineList("list")
            yield LineList("detail")
        yield LineList("keys")

    def on_mount(self) -> None:
        for each in self.query(LineList):
            each.can_focus = False
        self.feed.start()

    def on_unmount(self) -> None:
        self.feed.close()

    def on_resize(self, event: Resize) -> None:
        self.call_after_refresh(self._show_all)

    # -- what the feed has read ---------------------------------------------------------------------------------------

    def _receive(self, reading: Reading | HallwayError) -> None:
        self.post_message(Fresh(reading))

    def _receive_crash(self, error: Exception) -> None:
        self.post_message(Crashed(error))

    def on_crashed(self, event: Crashed) -> None:
        raise event.error

    def on_fresh(self, event: Fresh) -> None:
        if self._is_ending:
            return
        if isinstance(event.reading, HallwayError):
            self._lost = event.reading
            self._show_state()
            return
        self._lost = None
        self._read_at_s = event.reading.at_s
        self._names |= event.reading.names
        self._lists |= event.reading.lists
        self._detail = self._lists.get("detail")
        self._show_all()

    @property
    def _is_ending(self) -> bool:
        """Return whether the widgets are gone; what the threads have sent meanwhile is not shown."""
        return not self.query("#keys")

    # -- showing ------------------------------------------------------------------------------------------------------

    def _terminal(self, width: int) -> Terminal:
        terminal = Terminal(io.StringIO(), width=max(width, 20), has_colour=True, has_ids=False)
        terminal.now_s = self._read_at_s if self._lost else time.time()
        terminal.names = self._names
        return terminal

    def _lines(self, name: str) -> LineList:
        return self.query_one(f"#{name}", LineList)

    def _show_all(self) -> None:
        if not self._lists or self._is_ending:
            return
        self._show_list()
        self._show_detail()
        self._show_state()
        self._show_tabs()
        self._show_keys()

    def _show_state(self) -> None:
        width = self.size.width
        terminal = self._terminal(width)
        if self._lost:
            at = time.strftime("%H:%M:%S", time.localtime(self._read_at_s)) if self._read_at_s else "the start"
            text = sanitize(f" No contact since {at}: {self._lost.message} Trying again.")
            self._lines("state").show([REVERSE + cut(text, width).ljust(width) + RESET])
            return
        attention, sessions = self._lists.get("attention"), self._lists.get("sessions") or []
        items = attention.items if attention else []
        needs = sum(each.state == "open" and each.kind not in APART for each in items)
        right = (
            f"{f'{needs} need you' if needs else 'all clear'} · {len(sessions)} sessions · {time.strftime('%H:%M')}"
            if self._lists
            else "…"
        )
        left = cut(sanitize(self._address), max(width - cell_width(right) - 12, 4), is_cut_left=True)
        gap = " " * max(width - 9 - cell_width(left) - cell_width(right) - 1, 1)
        self._lines("state").show([f"{terminal.paint('hallway', 'bold')}  {terminal.paint(left, 'grey')}{gap}{right}"])

    def _tabs(self) -> list[str]:
        """Return the texts of the tabs, as long as fits the width."""
        counts = {name: len(each) for name, each in self._lists.items() if isinstance(each, list)}
        counts["attention"] = self._lists["attention"].total if "attention" in self._lists else 0
        shown = [each.name in ("attention", "sessions", "tasks", "claims") for each in VIEWS]
        for length, has_counts in ((99, True), (99, False), (4, False)):
            tabs = []
            for at, (view, is_counted) in enumerate(zip(VIEWS, shown, strict=True), 1):
                is_here = view is self._view
                title = view.title if is_here else view.title[:length]
                number = f" {counts.get(view.name, 0)}" if is_counted and (has_counts or is_here) else ""
                tabs.append(f" {at} {title}{number} ")
            if sum(map(len, tabs)) <= self.size.width:
                break
        return tabs

    def _show_tabs(self) -> None:
        tabs = self._tabs()
        shown = [f"{REVERSE}{tab}{RESET}" if VIEWS[at] is self._view else tab for at, tab in enumerate(tabs)]
        self._lines("tabs").show(["".join(shown)])

    def _show_list(self) -> None:
        """Show the view's list, with the selection on the same record as before."""
        widget, view = self._lines("list"), self._view
        terminal = self._terminal(widget.size.width)
        words = self._words.get(view.name, "") if view.name != "memory" else ""
        self._records = matching(view.sort(self._lists.get(view.name) or []), words)
        keys = [view.key_of(each) for each in self._records]
        heading, *rows = view.lines(terminal, self._records) if keys else ("", "", f"  {self._empty()}")
        at, moved = self._select(keys)
        self._lines("heading").show([heading])
        widget.show(rows, at if keys else None)
        if at is not None:
            widget.keep_in_view(at, moved=moved)
        record = self._records[at] if at is not None else None
        if record is not None and record != self.feed.chosen:
            self.feed.choose(record)
        self._record = record

    def _empty(self) -> str:
        if self._words.get(self._view.name):
            return "No matches. esc: show all."
        if self._view.name == "memory" and not self.feed.project:
            return "Press p to name a project."
        return self._view.empty

    def _select(self, keys: list[str]) -> tuple[int | None, int]:
        """Return the place of the selected record, and by how many lines it has moved."""
        key, at = self._chosen.get(self._view.name, ("", 0))
        if not keys:
            self._is_gone_since = None
            return None, 0
        place = keys.index(key) if key in keys else None
        if place is not None and (place == at or key not in self._done_with):
            self._chosen[self._view.name] = (key, place)
            self._is_gone_since = None
            return place, place - at
        if key and key not in self._done_with and not self._is_over():
            return None, 0
        self._done_with.discard(key)
        self._is_gone_since = None
        return self._select_at(at, keys), 0

    def _select_at(self, at: int, keys: list[str]) -> int:
        place = min(max(at, 0), len(keys) - 1)
        self._chosen[self._view.name] = (keys[place], place)
        return place

    def _is_over(self) -> bool:
        """Return whether the selected record has been gone for a moment; if it has just gone, begin that moment."""
        if self._is_gone_since is None:
            self._is_gone_since = time.monotonic()
            self.set_timer(GRACE_S + 0.05, self._show_all)
        return time.monotonic() - self._is_gone_since >= GRACE_S

    def _show_detail(self) -> None:
        widget = self._lines("detail")
        terminal = self._terminal(widget.size.width)
        if self._is_helping:
            widget.show([part for line in _help() for part in _help_lines(terminal, line)])
            return
        if self._detail is None or not self._records:
            widget.show([])
            return
        widget.show(detail_lines(terminal, self._detail))

    def _show_keys(self) -> None:
        width = self.size.width
        terminal = self._terminal(width)
        words = self._words.get(self._view.name, "")
        if self._is_filtering:
            self._lines("keys").show([f"/{cut(sanitize(words), width - 2, is_cut_left=True)}{REVERSE} {RESET}"])
            return
        if self._note:
            self._lines("keys").show([terminal.paint(cut(self._note, width), "yellow")])
            return
        hints = [] if not words else [f"filter: {sanitize(words)} (esc: all)"]
        hints += [f"{each.key} {each.label}" for each in acts_in(self._view.name, self._situation())]
        hints = [*hints[:6], "u undo"] if self._dismissed and self._view.name == "attention" else hints
        tail = "  ? keys  q quit"
        room = width - len(tail)
        line = "esc back" if self.screen.has_class("-zoomed") else "enter open"
        for hint in hints:
            if cell_width(line) + 2 + cell_width(hint) > room:
                break
            line += f"  {hint}"
        self._lines("keys").show([terminal.paint(line + tail, "grey")])

    # -- keys and clicks ----------------------------------------------------------------------------------------------

    def on_key(self, event: Key) -> None:
        self.feed.note_use()
        if self._form is not None:
            if not self._form.question.fields:
                self._confirm(event.key)
            return
        event.stop()
        self._note = ""
        if self._is_filtering:
            self._type_filter(event)
        elif self._is_helping and event.key not in ("q", "ctrl+c"):
            if not self._move(event.key):
                self._help(is_shown=False)
        elif not self._move(event.key):
            self._command(event.key, event.character or event.key)
        self._show_keys()

    def _move(self, key: str) -> bool:
        """Move the selection, or scroll an open record; return whether the key is one that moves."""
        is_open = self.screen.has_class("-zoomed")
        page = max(self._lines("detail" if is_open else "list").size.height, 2)
        far = 10**6
        steps = {"j": 1, "down": 1, "k": -1, "up": -1, "pagedown": page, "pageup": -page}
        steps |= {"ctrl+d": page // 2, "ctrl+u": -page // 2, "home": -far, "g": -far, "end": far, "G": far}
        step = steps.get(key)
        if step is None:
            return False
        if is_open:
            self._lines("detail").scroll_relative(y=step, animate=False)
        elif self._records:
            self._move_to(step)
        return True

    def _move_to(self, step: int) -> None:
        _, at = self._chosen.get(self._view.name, ("", 0))
        if self._is_gone_since is not None:
            step -= step > 0  # the record after the one that has gone is in its place
        self._choose(at + step)

    def _choose(self, at: int) -> None:
        self._done_with.clear()
        self._select_at(at, [self._view.key_of(each) for each in self._records])
        self._lines("detail").scroll_to(y=0, animate=False)
        self._show_list()

    def _command(self, key: str, character: str) -> None:
        if key in ("q", "ctrl+c"):
            self.action_leave()
        elif character.isdigit() and 1 <= int(character) <= len(VIEWS):
            self._go_to(int(character) - 1)
        elif key in ("tab", "shift+tab"):
            self._go_to((VIEWS.index(self._view) + (1 if key == "tab" else -1)) % len(VIEWS))
        elif key == "enter":
            self._open(is_open=self._record is not None)
        elif key in ("escape", "backspace"):
            self._back()
        elif character == "/":
            self._open(is_open=False)
            self._is_filtering = True
        elif character == "?":
            self._help(is_shown=True)
        elif key == "ctrl+l":
            self.refresh(layout=True)
        elif key == "u" and self._dismissed:
            self._perform(restore(self._dismissed.pop()), {})
        elif key == "p" and self._view.name == "memory":
            self._choose_project()
        else:
            self._act(character)

    def _act(self, character: str) -> None:
        situation = self._situation()
        act = next((each for each in acts_in(self._view.name, situation) if each.key == character), None)
        if act is None:
            return
        question = act.ask(situation)
        if question.is_asked:
            self._ask(question)
        else:
            self._perform(question, {})

    def _situation(self) -> Situation:
        return Situation(self._person, self.feed.project, self._record, self._detail)

    def _go_to(self, at: int) -> None:
        self._view = VIEWS[at]
        self._open(is_open=False)
        self._is_gone_since = None
        self._lines("list").scroll_to(y=0, animate=False)
        self._show_all()

    def _open(self, *, is_open: bool) -> None:
        """Show the selected record on the whole screen, or the list again."""
        if is_open != self.screen.has_class("-zoomed"):
            self.screen.set_class(is_open, "-zoomed")
            self.call_after_refresh(self._show_all)

    def _help(self, *, is_shown: bool) -> None:
        self._is_helping = is_shown
        self._lines("detail").scroll_to(y=0, animate=False)
        self._open(is_open=is_shown)
        self._show_detail()

    def _back(self) -> None:
        if self.screen.has_class("-zoomed"):
            self._open(is_open=False)
        else:
            self._set_filter("")

    def _type_filter(self, event: Key) -> None:
        words = self._words.get(self._view.name, "")
        if event.key == "enter":
            self._is_filtering = False
        elif event.key == "escape":
            self._is_filtering = False
            self._set_filter("")
        elif event.key == "backspace":
            self._set_filter(words[:-1])
        elif event.is_printable and event.character:
            self._set_filter(words + event.character)

    def _set_filter(self, words: str) -> None:
        self._words[self._view.name] = words
        self._chosen.pop(self._view.name, None)
        if self._view.name == "memory":
            self.feed.search(words.strip(), self.feed.project)
        self._show_all()

    def _choose_project(self) -> None:
        projects = sorted({each.project for each in self._lists.get("sessions") or []} | {self.feed.project or ""})
        projects = [each for each in projects if each]
        if projects:
            at = projects.index(self.feed.project) + 1 if self.feed.project in projects else 0
            self.feed.search(self._words.get("memory", ""), projects[at % len(projects)])
            self._note = f"The memory of {sanitize(self.feed.project or '')}"

    def on_line_list_clicked(self, event: LineList.Clicked) -> None:
        self.feed.note_use()
        if event.widget_id == "tabs":
            edges = [sum(map(len, self._tabs()[: at + 1])) for at in range(len(VIEWS))]
            self._go_to(next((at for at, edge in enumerate(edges) if event.column < edge), len(VIEWS) - 1))
        elif event.widget_id == "list" and event.at < len(self._records):
            self._choose(event.at)
            self._open(is_open=event.chain > 1)
            self._show_keys()

    def action_leave(self) -> None:
        """End the program; ask again if that would lose a text."""
        self._keep_draft()
        if self._drafts and not self._has_warned:
            self._has_warned = True
            self._note = "A text that you have not sent would be lost. Again: quit."
            self._show_keys()
        else:
            self.exit()

    def action_help_quit(self) -> None:
        self.action_leave()

    # -- forms and acts -----------------------------------------------------------------------------------------------

    def _ask(self, question: Question) -> None:
        from hallway.cli.top.entry_form import EntryForm

        self._form = EntryForm(question, self._drafts.get(question.draft_key, {}))
        self.mount(self._form)

    def _keep_draft(self) -> None:
        if self._form is not None and self._form.has_draft():
            self._drafts[self._form.question.draft_key] = self._form.texts()
            self._has_warned = False
        elif self._form is not None:
            self._drafts.pop(self._form.question.draft_key, None)

    def _close_form(self) -> None:
        if self._form is not None:
            self._form.remove()
            self._form = None
            self.call_after_refresh(self._show_all)

    def _confirm(self, key: str) -> None:
        if key in ("enter", "y"):
            self.on_entry_form_sent()
        elif key in ("escape", "n", "q"):
            self._close_form()

    def on_entry_form_left(self) -> None:
        self._keep_draft()
        if self._form is not None and self._form.question.draft_key in self._drafts:
            self._note = "Your text is kept: the same key brings it back."
        self._close_form()

    def on_entry_form_sent(self) -> None:
        if self._form is None or self._form.is_sending:
            return
        texts = self._form.texts()
        try:
            self._form.question.arguments(texts)
        except HallwayError as error:
            self._form.say(error.message)
            return
        self._keep_draft()
        self._form.is_sending = True
        self._form.say("Sending…")
        self._perform(self._form.question, texts)

    def _perform(self, question: Question, texts: dict[str, str]) -> None:
        terminal = Terminal(io.StringIO(), width=None)

        def job() -> None:
            try:
                lines = question.perform(self._bus, texts, terminal)
            except HallwayError as error:
                self.post_message(Performed(question, [], error))
            else:
                self.post_message(Performed(question, lines))

        self.feed.run(job)

    def on_performed(self, event: Performed) -> None:
        if self._is_ending:
            return
        form = self._form if self._form is not None and self._form.question is event.question else None
        if event.error is not None:
            note = event.question.take_note(event.error)
            if form is None:
                self._note = f"{event.error.message} {note}"
                self._show_keys()
            else:
                form.is_sending = False
                form.say(f"{event.error.message} {note}")
            return
        self._drafts.pop(event.question.draft_key, None)
        if form is not None:
            self._close_form()
        self._note = event.lines[0] if event.lines else "Done."
        if event.question.operation in (ANSWER, DISMISS):
            self._done_with.add(event.question.fixed["item_id"])  # so the next item is selected
        if event.question.operation is DISMISS:
            self._dismissed.append(event.question.fixed["item_id"])
            self._note = "Dismissed. u: undo"
        self._show_keys()


def _project_of(bus: Bus) -> str | None:
    try:
        return bus.project_for(None)
    except ProjectNeeded:
        return None


def _help() -> list[str]:
    """Return the lines of the help: what each key does, and the acts of each view."""
    acts = {view.title: [f"{act.key} {act.label}" for act in ACTS if view.name in act.views] for view in VIEWS}
    return [*HELP.strip().split("\n"), "", *(f"{title:<10}{' · '.join(labels)}" for title, labels in acts.items())]


def _help_lines(terminal: Terminal, line: str) -> list[str]:
    """Return a line of the help, wrapped beside its first word."""
    head, text = line[:10], line[10:]
    first, *rest = wrap(text, (terminal.width or 80) - 10)
    return [terminal.paint(head, "cyan") + first, *(" " * 10 + each for each in rest)]
