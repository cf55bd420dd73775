"""The control plane: everything under `/feedback`, an ordinary aiohttp application.

application  puts it together; ROUTES is the whole API
context      what the handlers work with
answers      JSON shapes; errors as sentences
words        ratings as people read them
protection   the guard, and the rule that a connection serves one local answer
query        what a query asks for, one name at a time
wishes       how a rating is to be taken: wait, timeout, hold, Idempotency-Key
submissions  what is common to taking one rating and many
remembered   GET: calls and their ratings
compare      GET: versions side by side, as they are rated
rate         POST: a rating
batch        POST: many ratings
withdraw     DELETE: a rating is taken back
outbox       GET: the ratings that are kept. POST: what was refused goes out again
health       GET: how the sidecar is
metrics      GET: what is counted, for Prometheus
openapi      GET: the description of all this, for programs; openapi.json is what it says
protocol     a connection that the front door hands over: aiohttp's protocol, in our words
"""
