"""Whisper, in a process of its own: what starts it, and what runs in it."""
