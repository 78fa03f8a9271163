"""The page: what the person who runs the agents looks at. Server-rendered, live, without a build step.

It is a face: everything it shows comes from operations, everything it writes goes through one. It refuses to run a
line of script that is not its own file, and to show another session's text as anything but text.
"""
