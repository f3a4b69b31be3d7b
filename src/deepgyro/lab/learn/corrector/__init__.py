"""The network that corrects fields, and how it is trained."""
