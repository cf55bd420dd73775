"""Durable, verified delivery: a rating that was taken arrives.

intake    takes ratings into the outbox, tells how they stand, and waits with those who rate
courier   the loop over the outbox: starts what may leave now
errands   one request each, to post, to look or to put words on, and what came of it
lanes     when anything may leave under a key: budget, pauses, an API that is down
schedule  what is next for a rating, and when; pure
"""
