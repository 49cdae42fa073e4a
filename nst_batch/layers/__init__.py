"""How VGG19 sees: its layers one by one, for people who choose content and style layers with their eyes."""
