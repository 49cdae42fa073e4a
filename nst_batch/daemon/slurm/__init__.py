"""The executor that hands claimed jobs to Slurm: its commands, its allocations, and the pool of them."""
