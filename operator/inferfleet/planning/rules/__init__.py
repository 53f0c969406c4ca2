"""Why a candidate may not serve: small named rules, the first that rejects wins. Pure.

`ordered` has their order; the other files have the rules by what they look at. A rule returns a stable reason and a
sentence with the number that failed and what is allowed.
"""
