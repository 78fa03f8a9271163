"""The form of `hallway top`, in which a person types what an act needs: enter sends, escape keeps the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.strip import Strip
from textual.widgets import Static, TextArea

from hallway.text.sanitize import sanitize

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.events import Key
    from textual.geometry import Region

    from hallway.cli.top.acts import Question


class TextField(TextArea):
    """A text of one or more lines: enter sends the form, Ctrl-J begins a line, tab goes to the next field."""

    def get_line(self, line_index: int) -> Text:
        """Return a line as it is shown: a memory entry may hold what controls a terminal."""
        return Text(sanitize(self.document.get_line(line_index)), end="", no_wrap=True)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return blank lines while the styles are not there: Textual may draw a field before (its issue 6528)."""
        try:
            return super().render_lines(crop)
        except KeyError:
            return [Strip.blank(crop.width)] * crop.height

    async def _on_key(self, event: Key) -> None:
        if event.key == "enter":
            event.prevent_default().stop()
            self.post_message(EntryForm.Sent())
        elif event.key in ("ctrl+j", "newline"):
            event.prevent_default().stop()
            self.insert("\n")
        elif event.key == "escape":
            event.prevent_default().stop()
            self.post_message(EntryForm.Left())
        else:
            await super()._on_key(event)


class EntryForm(Vertical):
    """The fields of a question. A program removes it when the act is done or left."""

    DEFAULT_CSS = """
    EntryForm { height: auto; max-height: 60%; dock: bottom; border-top: solid ansi_cyan; }
    EntryForm Horizontal { height: auto; }
    EntryForm .label { width: 12; color: ansi_cyan; }
    EntryForm #title { text-style: bold; height: auto; max-height: 3; }
    EntryForm #note { color: ansi_yellow; height: auto; max-height: 4; }
    EntryForm TextField { height: auto; max-height: 6; width: 1fr; border: none; padding: 0; }
    EntryForm #keys { color: ansi_bright_black; height: 1; }
    """

    class Sent(Message):
        """The person has pressed enter."""

    class Left(Message):
        """The person has pressed escape."""

    def __init__(self, question: Question, texts: dict[str, str]) -> None:
        super().__init__(id="form")
        self.question = question
        self._texts = texts
        self.is_sending = False

    def compose(self) -> ComposeResult:
        yield Static(sanitize(self.question.title), id="title", markup=False)
        for field in self.question.fields:
            with Horizontal():
                yield Static(field.label, classes="label", markup=False)
                yield TextField(
                    self._texts.get(field.name, field.initial),
                    id=field.name,
                    tab_behavior="focus",
                    soft_wrap=True,
                    show_line_numbers=False,
                    compact=True,
                    highlight_cursor_line=False,
                )
        yield Static("", id="note", markup=False)
        keys = "enter: send · ctrl+j: new line · tab: next field · esc: keep as a draft"
        yield Static(keys if self.question.fields else "enter or y: yes · esc or n: no", id="keys", markup=False)

    def on_mount(self) -> None:
        fields = [*self.query(TextField)]
        empty = [each for each in fields if not each.text]
        for each in (empty or fields)[:1]:
            each.focus()
            each.move_cursor(each.document.end)

    def texts(self) -> dict[str, str]:
        """Return the typed texts, by the fields' names."""
        return {str(each.id): each.text for each in self.query(TextField)}

    def has_draft(self) -> bool:
        """Return whether something was typed that is not in the fields' first texts."""
        initial = {each.name: each.initial for each in self.question.fields}
        return any(text != initial[name] for name, text in self.texts().items())

    def say(self, text: str) -> None:
        """Show a sentence below the fields."""
        self.query_one("#note", Static).update(sanitize(text))
