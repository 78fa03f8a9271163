"""The command line, for people and scripts: parsing, commands, terminal output."""
