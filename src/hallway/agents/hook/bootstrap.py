"""The file that a hook's command names: run by `python -I -S`, it finds hallway and apsw by itself and hands over.

It is compiled at every run, so there is nothing in it. Whatever goes wrong, the client sees a hook that had nothing to
say (A1).
"""

import gc
import os
import sys

BESIDE = "--beside="  # the folder of the libraries, where that is not hallway's own


def launch() -> None:
    gc.set_threshold(50_000)  # imports make many objects and leave no garbage to look for
    words = sys.argv[1:]
    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    sys.path += [source, *(word[len(BESIDE) :] for word in words if word.startswith(BESIDE))]
    from hallway.agents.hook.main import main

    main([word for word in words if not word.startswith(BESIDE)])


if __name__ == "__main__":
    try:
        launch()
    except BaseException:  # noqa: S110 (main.py logs what it can; this is what it cannot)
        pass
    os._exit(0)
