"""What people look at in the morning: the loss plot of a job and the gallery of the outbox. Pure text."""
