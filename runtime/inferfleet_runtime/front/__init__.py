"""What a client of a bundled pod meets: the HTTP server, admission, measurement, start and drain.

It knows an engine only through `hosts.backend`. What a request means belongs to `api`, how an engine runs to `hosts`.
"""
