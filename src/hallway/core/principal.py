"""The bearer of a token, as everything that decides about rights sees it."""

from __future__ import annotations

from hallway.core.errors import Refused
from hallway.core.model import PERSON
from hallway.core.schema import encode


class Principal:
    """The bearer of a token: its name, its role, and the projects it sees (None: all).

    `visible` is the projects as statements take them: a JSON list, None for all. `expires_in_s` is how long the token
    was still good when it was read (None: for ever).
    """

    __slots__ = ("expires_in_s", "name", "person", "projects", "role", "visible")

    def __init__(
        self, name: str, role: str, projects: list[str] | None = None, expires_in_s: float | None = None
    ) -> None:
        self.name = name
        self.role = role
        self.expires_in_s = expires_in_s
        self.person = PERSON + name
        self.projects = None if projects is None else frozenset(projects)
        self.visible = None if projects is None else encode(sorted(projects))

    def sees(self, project: str) -> bool:
        return self.projects is None or project in self.projects

    def outside(self, project: str) -> Refused:
        """Return the refusal of a project that the token may not see, the same whether or not the project exists."""
        return Refused(
            f"the token {self.name!r} is not for the project {project!r}",
            hint=f"Name one that it is for: {', '.join(sorted(self.projects or ()))}",
        )
