"""The control plane: everything under `/feedback`, an ordinary aiohttp application.

application  puts it together; ROUTES is the whole API
context      what the handlers work with
answers      JSON shapes; errors as sentences
protection   the guard, and the rule that a connection serves one local answer
remembered   GET: calls and their ratings
rate         POST: a thumb
health       GET: how the sidecar is
metrics      GET: what is counted
protocol     a connection that the front door hands over: aiohttp's protocol, in our words
"""
