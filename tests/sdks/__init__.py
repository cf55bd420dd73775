"""The clients that people use, with the sidecar between them and the stand-in."""
