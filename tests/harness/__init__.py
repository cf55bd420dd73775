"""What tests stand on: a loop in a thread of its own, raw sockets, scripted upstreams, the stand-in.

Tests are plain blocking functions that speak to the product over real sockets; the product runs on an
event loop in another thread. So a test reads top to bottom, and a hang is the test's, not the loop's.
"""
