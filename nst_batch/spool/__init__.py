"""The durable queue: the folders are the queue, and files move here and nowhere else.

A job goes through its rooms from the inbox to the outbox; each imports those above it in this table.

| room or module | what |
|---|---|
| `disk/` | durable writes, renames, copies, locks, mounts; where everything lies; what stops the whole queue |
| `claims/` | what is written down of the jobs under way: records, attempts, which job is next |
| `inbox/` | what people dropped: listing, what is still and complete, control files, waking up |
| `outbox/` | the way out: publishing, taking images out of the inbox, putting failed jobs back |
| `intent`, `recopy` | from inbox to claim: what is written down before it; images that are copied once more after it |
| `runs`, `sweep`, `recover` | a job in a worker's hands; what needs none; at start, finish or undo what was under way |
| `spool`, `commands` | the whole as the daemon uses it, and as commands do without its lock |
"""
