"""The disk below the queue: every change goes through :class:`nst_batch.spool.disk.fs.FileSystem`."""
