"""What a person writes to order pictures, from the text of a sidecar to the jobs that it asks for.

| module | what |
|---|---|
| `keys` | what may stand in a sidecar |
| `settings`, `presets` | the optimisation keys, and what each preset sets of them |
| `filetree`, `resolver` | where images are looked for; which files a reference means |
| `expand` | a sidecar's text to its jobs: lists, globs, titles |
"""
