"""The daemon process: looks at the spool, keeps the workers, hands them jobs. It loads no TensorFlow.

It starts at :mod:`nst_batch.daemon.loop`. Nothing here imports :mod:`nst_batch.worker`: the two are processes that talk
as :mod:`nst_batch.protocol` says.
"""
