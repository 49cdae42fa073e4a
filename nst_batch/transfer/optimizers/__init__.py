"""Optimisers of a picture in a box, one a file, behind the interface of optimizer.py."""
