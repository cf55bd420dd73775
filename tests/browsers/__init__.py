"""The product as Chromium meets it: pages that attack it, and pages that it is for.

`chromium.py` the browser and its tabs · `relay.py` the wire before the sidecar, written down · `pages.py` where
pages come from · `vectors.py` what pages can try, and what was seen of it · `pages/` what runs in the browser ·
`feedback_page.py` our own page, `units/` its parts in Node, `pictures.py` what the README shows of it.
"""
