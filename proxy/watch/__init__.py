"""`helicone-proxy watch`: what happens, live.

feed       follows the sidecar's events, and comes back by itself
board      the calls that are shown, and which one is chosen; pure
lines      an event as one line of text; pure
screen     the board on a terminal, by rich
keys       single keys from a terminal, which is put back as it was
"""
