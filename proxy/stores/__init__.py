"""Where things are kept: one contract, and what fulfils it. Only `app.py` names a concrete store.

contract    what is asked of a store
memory      recent calls, in this process
sqlite      the outbox, in one SQLite file; with
  database    its thread, and commits that callers share
  opening     the file: made, locked, checked, replaced when damaged
  schema      what is in it, by versions
  rows        an entry as a row, and back
  taking      what a new rating does to the older ones of its call
  salvage     what can be read of a damaged file
  faults      what SQLite's errors mean
saved_calls recent calls, in the same file
"""
