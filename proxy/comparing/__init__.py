"""Which of several versions people like better, from the ratings that they gave, and how sure that is.

intervals   how far off a share may be, and how many ratings show a difference; pure
variants    what calls come to, one version at a time; pure
verdicts    which version is the better one, in a sentence; pure
comparison  asks a finder for calls, and puts these together
"""
