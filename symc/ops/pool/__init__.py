"""Pooling over windows: the ops and their geometry."""
