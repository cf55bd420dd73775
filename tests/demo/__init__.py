"""The stand-in is what all other tests lean on, so it has tests of its own."""
