"""The web page for the person who runs the agents: rendered on the server, updated live, without a build step.

The page reads and writes the bus only through operations. It runs no script except its own files, and shows texts of
sessions as plain text only.
"""
