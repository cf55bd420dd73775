"""helicone-feedback-proxy: a transparent sidecar that makes rating LLM answers trivial and sure."""

__version__ = "0.1.0"
