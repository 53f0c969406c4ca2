"""Where files come from: a module for each scheme, and what several of them share. Nothing here writes a file."""
