"""Our network, and the operators between its stages."""
