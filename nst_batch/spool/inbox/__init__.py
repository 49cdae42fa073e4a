"""What people dropped, and what they ask for by control files. Nothing here moves a file."""
