"""The command line: a face on the operation catalogue for people and scripts."""
