"""Hugging Face trainings that can be brought back. Needs transformers."""

from resilient_training.huggingface.training import train

__all__ = ["train"]
