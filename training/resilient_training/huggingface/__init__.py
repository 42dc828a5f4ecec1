"""Hugging Face trainings that can be brought back. Needs transformers."""

from resilient_training.huggingface.callback import HuggingFaceCheckpoints, train

__all__ = ["HuggingFaceCheckpoints", "train"]
