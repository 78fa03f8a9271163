"""`make bench-peers`: hallway beside other programs that connect coding agents, in one run on the same work.

The programs are installed by name from the Python index, with pinned versions, each into an environment of its own
below `build/peers`. Each figure is the median of turns taken one after another, so a busy machine slows all of them
alike. Optional, and never part of CI.
"""
