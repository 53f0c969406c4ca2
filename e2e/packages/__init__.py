"""Releases of the past as their users have them, for the stories about upgrades. See README.md."""
