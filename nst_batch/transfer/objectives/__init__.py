"""The families of objectives beside statistics of features, a file each; scale_objective.py says what any has to do.

A family says what it needs of the network's features, of the content and of each style; what of it can be summed over
strips; and what it reports: the losses of a picture as one vector, L per content layer, E per style layer, tv, total.
"""
