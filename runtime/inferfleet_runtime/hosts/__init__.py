"""The bundled engines in processes of their own, and the connection to them.

Nothing here knows of clients or of the routes they use.
"""
