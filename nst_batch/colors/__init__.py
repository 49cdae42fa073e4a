"""Colours of pictures to sRGB; knows arrays, not files.

curves.py     curves and a matrix, applied in float32; high dynamic range brought below white
icc.py        an ICC profile's curves and matrix, or its tables
described.py  what a file describes in numbers or by a code point; Lab
"""
