"""Everything that talks to an API server, over plain JSON objects: nothing here knows what a Model means.

`cluster` is the one seam (its strict in-memory twin lives with the tests), `informer` keeps copies of
what the server holds, `queue` orders the work, `election` says who may write. No policy lives here.
"""
