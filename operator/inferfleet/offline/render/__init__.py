"""Plans and comparisons as people and programs read them, a file for each form. Pure."""
