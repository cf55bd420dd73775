"""Calls, rated or not, as Helicone has them; while it cannot be asked, as they are remembered here.

wanted   what is asked: plain data
found    a call that was found: plain data
finder   finds and counts them, and says where it looked
"""
