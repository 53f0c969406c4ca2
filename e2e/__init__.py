"""A real cluster, real images and the stories told on them. Nothing here ships to users."""
