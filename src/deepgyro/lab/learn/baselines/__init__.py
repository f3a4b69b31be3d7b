"""Networks that ours is compared with, and how they are trained."""
