"""Who may speak to the sidecar. Pure decisions on a request's method and header fields, taken before routing.

decisions   the guard: which request may go on, and why one may not
hosts       host and port as clients write them, in one spelling
origins     the origins of pages, likewise
tokens      who says which token, and where
cors        what a page of an allowed origin may send and read
"""
