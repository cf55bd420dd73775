"""The data plane: moves bytes between clients and upstreams, and reports what it saw.

It knows no feedback, no vendor and no aiohttp: who may enter, where a call goes and what is remembered of it
is decided by what `FrontDoor` is given.

    front_door   listens; picks relay or local application; hands over
    client       one client connection: pipelining, lingering, ends
    request_parser  its bytes, as requests
    exchange     one call: joins both sides, backpressure, ends
    upstream     one connection to the gateway
    pool         the connections to one upstream, within limits
    destination  where a route leads
    dialing      opens connections: the race of addresses, TLS
    names        host names to addresses, kept for a while
    forward_proxy  CONNECT, where a proxy is on the way
    tunnel       raw bytes after 101
    keepalive    TCP keep-alive
    patience     time limits
    closing      how a client's connection ends
    door         the front door, as the others see it
    writes       small writes gathered to the end of the loop's turn
    contract     what the relay asks of and reports to the outside
    messages     the heads of requests and answers, as parsed
    headers      pure: hop-by-hop, rewrite rules
    rendering    pure: heads as bytes, written anew
    framing      pure: how a body is delimited on each side
    targets      pure: what a request line may ask for
    refusals     pure: what we answer ourselves, as bytes
    reasons      pure: why a connection cannot be opened, in words
"""
