"""In front of a chat app: its HTML documents get a script tag, and everything else passes as it is.

`places` finds where the tag goes · `bodies` puts it there, whatever the body is compressed with (`codings`) ·
`heads` says which answers get it, and what changes in heads · `policies` what a Content-Security-Policy has to say
· `observer` ties these to the relay · `refusals` what the listener answers itself.
"""
