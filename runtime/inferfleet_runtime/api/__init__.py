"""The OpenAI API as plain values: requests checked and sized, answers and errors in its words.

Pure: no socket, no clock, no engine.
"""
