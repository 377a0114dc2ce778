"""Cliffhanger: contrastive pairs that end right before the trait is expressed."""

__version__ = "0.1.0"
