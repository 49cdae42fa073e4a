"""An unattended style-transfer studio: pictures and a sidecar in, paintings out."""

__version__ = "0.1.0"
