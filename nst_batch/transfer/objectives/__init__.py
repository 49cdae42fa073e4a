"""What is minimised: a family of objectives a file, all behind the one interface of family.py.

A family says what it needs of the network's features, what it makes of the content and of each style, and what it
reports: the losses of a picture as one vector, L per content layer, E per style layer, tv, total. What of it can be
summed over strips is what statistics.py asks for; a family that is none of those is looked at in one piece.
families.py lists them all.
"""
