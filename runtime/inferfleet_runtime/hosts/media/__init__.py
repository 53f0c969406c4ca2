"""What the processes of pictures, videos and sound have in common, on both sides. Knows no model."""
