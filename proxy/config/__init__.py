"""Settings: declared once, read from file, environment and flags, and what is wrong with them in words.

settings        every setting: name, default, rule, sentence (kinds: what values may be; routes: those of a route;
                guarding: those of the guard)
loading         all sources together (sources: file, environment, flags)
problems        what is wrong with a value, in words (route_problems, guard_problems: with values that are each
                fine by themselves; places: what a setting is called by whoever gave it)
secret_files    secrets that stand in files of their own (permissions: who else may read those)
outbox_place    where the settings put the outbox, and whether it can lie there
"""
