"""Settings: declared once, read from file, environment and flags, and what is wrong with them in words.

settings        every setting: name, default, rule, sentence (kinds: what values may be; routes: those of a route)
loading         all sources together (sources: file, environment, flags)
problems        what is wrong with a value, in words (route_problems: with routes that are each fine by themselves)
outbox_place    where the settings put the outbox, and whether it can lie there
"""
