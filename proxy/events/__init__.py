"""Events: what happens to calls and ratings, for whoever listens.

ring            the newest ones, numbered; the recorder and the outbox put them in
watched_outbox  a store around the outbox, which tells the ring of every rating that has changed
"""
