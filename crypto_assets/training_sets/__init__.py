"""Training sets: features and labels frozen as they stood at a moment, which can be rebuilt and compared.

What belongs here: the whole of it: asking (question.py), rebuilding rows (rebuild.py), writing and reading them (create.py,
place.py, loading.py), comparing (verify.py), the catalog (catalog.py), and learning from them (learning.py). What does not:
computing features (datasets/features) and training (datasets/models).
"""

from crypto_assets.training_sets.loading import TrainingSet, load

__all__ = ["TrainingSet", "load"]
