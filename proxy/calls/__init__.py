"""Calls: what the relay reports, remembered so that it can be found and rated.

recorder        the relay's observer: turns what it reports into calls (live_call; paths: what a path does;
                route_rules: what holds on one way up; request_ids: fresh ones)
aliases         what else a call is called
attribution     whom it is for (labels: what its headers say; request_bodies: what its body says)
taps            a bounded look at its answer (decoding; answer_bodies: what it says of itself; json_beginnings)
saving          a store around the store: calls outlast a restart (records: as they are written)
"""
