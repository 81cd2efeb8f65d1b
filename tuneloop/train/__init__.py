"""Fine-tune a model on conversations."""
