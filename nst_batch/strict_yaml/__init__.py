"""Strict YAML: ``reader`` gives data with line numbers, ``models`` checks it and says every mistake in plain words."""
