"""helicone-feedback-proxy: a transparent sidecar that makes rating LLM answers trivial and sure.

cli         which commands there are
commands/   each of them: parse, call, print, exit code
app         composition root: builds everything, owns what runs in the background
listeners   the listening sockets
relay/      the data plane: moves bytes, knows nothing of what they mean
web/        the control plane: everything under /feedback, on aiohttp
calls       remembers what the relay reports
ratings     what a person sent, as a thumb
delivery    takes ratings to Helicone
helicone    the vendor: header names, hosts, id rules, its API
guard       who may speak to us
keys        Helicone keys, in memory, by fingerprint
stores/     where things are kept
config      settings, declared once (config_kinds, config_sources: what they may be, where they come from)
logs        one line for each call
remote      speaks to a running sidecar, for the commands
model       the words of the domain, as data
errors      what can go wrong
demo/       the stand-in for Helicone, for newcomers and for tests
"""

__version__ = "0.1.0"
