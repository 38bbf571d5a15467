"""What is fast, as ratios against a baseline measured in the same run. Not part of the package."""
