"""The custom resources: pydantic types, conditions, and the CRDs generated from them. Pure."""
