"""The commands, one file each; each file has a click command of its own name.

`cli.py` lists them and loads the one that is asked for. A new command is a file here and a line there.
"""
