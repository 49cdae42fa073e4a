"""The worker process: owns one device and TensorFlow, and takes one job after another.

It starts at :mod:`nst_batch.worker.process`; one run of one job is :mod:`nst_batch.worker.job_run`. Nothing here
imports :mod:`nst_batch.daemon`, and of the spool only the disk.
"""
