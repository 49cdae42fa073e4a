"""Jobs under way: a claim is a sidecar that was taken, its images beside it, and the state of each of its jobs."""
