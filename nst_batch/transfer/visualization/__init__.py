"""What a layer sees: its filters' favourite patterns, and a picture rebuilt from it alone."""
