"""`hallway top`: what needs a person, the sessions and their work on one screen, and everything a person can do.

`command.py` starts it. `feed.py` reads the bus and runs acts, in threads of its own; `views.py` makes lists of what was
read, `details.py` shows one record, `acts.py` lists what can be done. `program.py` is the Textual program, and
`lines.py` and `entry_form.py` are its widgets. Only `command.py` is imported before the program runs.
"""
