"""Imports apsw without `collections`: it asks for `collections.abc` alone, and the rest takes a command 1 to 2 ms."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def _import_apsw() -> ModuleType:
    if "collections" not in sys.modules:
        import _collections_abc

        stand_in = type(sys)("collections")
        sys.modules |= {"collections": stand_in, "collections.abc": _collections_abc}
        try:
            import apsw
        finally:
            del sys.modules["collections"], sys.modules["collections.abc"]
    import apsw

    return apsw


if TYPE_CHECKING:
    import apsw
else:
    apsw = _import_apsw()

__all__ = ["apsw"]
