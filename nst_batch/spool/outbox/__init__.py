"""The way out: a job's running folder becomes its result, its images leave the inbox, a failed job goes back."""
