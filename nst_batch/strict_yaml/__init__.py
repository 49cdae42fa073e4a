"""Strict YAML: ``reader`` gives data with line numbers, ``models`` checks it and says every mistake in plain words.

``writer`` writes what the reader takes as it was meant.
"""
