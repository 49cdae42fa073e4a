"""config.yaml: ``keys`` says what may stand there, ``load`` finds it, reads it and resolves its paths."""
