"""helicone-feedback-proxy: a transparent sidecar that makes rating LLM answers trivial and sure.

cli         which commands there are
commands/   each of them: parse, call, print, exit code
app         the sidecar as a whole: listens, runs, stops; assembly builds what it is made of
event_loop  which loop, and the signals that end it
listeners   the listening sockets (unix_sockets: of this user alone; open_files: how many connections fit)
volumes     whether a folder outlasts a restart
relay/      the data plane: moves bytes, knows nothing of what they mean
web/        the control plane: everything under /feedback, on aiohttp
calls/      remembers what the relay reports
journal     calls that are over, in batches: to logs (one line each) and to metrics (numbers)
ratings     what a person sent, as a rating (rating_fields: each field on its own)
delivery/   a rating that was taken arrives (clock: its time)
helicone    the vendor's gateway: header names, hosts, key and id rules
helicone_api  the vendor's API: what is said there, and what it means (api_client: says it)
network     connections to the gateway and to the API, as the settings have them
guard/      who may speak to us
keys        Helicone keys, in memory, by fingerprint
stores/     where things are kept
config/     settings, declared once, and what is wrong with them in words
routing     the routes as they hold (presets: every gateway of Helicone's; network, connecting, admission use them)
outbound    proxies of the environment, trusted authorities
remote      speaks to a running sidecar, for the commands
model       the words of the domain, as data
errors      what can go wrong
demo/       the stand-in for Helicone, for newcomers and for tests
"""

__version__ = "0.1.0"
