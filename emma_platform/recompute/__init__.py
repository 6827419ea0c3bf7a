"""What changed, what that affects, and the batch that computes it, safe against crashes."""
