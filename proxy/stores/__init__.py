"""Where things are kept: one contract, and what fulfils it. Only `app.py` names a concrete store.

contract    what is asked of a store
memory      recent calls, in this process
"""
